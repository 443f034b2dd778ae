import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { migrateDown, migrateUp, type SealInOlderFormat } from '../../src/db/migrate.ts';
import { asMigrator } from '../../src/db/open.ts';
import { scanRows } from '../../src/db/scan.ts';
import { type SealedTableName, sealedTables, type Tables } from '../../src/db/tables/index.ts';
import { createSeals, inspectServiceKeys, type Seals, sealInOlderFormat } from '../../src/keys/index.ts';
import { adminPassword, newRootKey, startApp, type TestApp } from '../support/app.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { send } from '../support/http.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';

/**
 * In this file the service is a later version of itself: a migration has added columns to tables with rows in them. The
 * version before it is the service as it is, which runs in a process of its own.
 */
const added = vi.hoisted(() => ({
  secrets: { colour: { kind: 'text', since: 2, default: null } },
  users: { badge: { kind: 'bigint', since: 2, default: 7 } },
  tokens: { labels: { kind: 'json', since: 2, default: [] } },
  session_participants: { noted_at: { kind: 'time', since: 3, default: null } },
  audit_log: { flagged: { kind: 'bool', since: 2, default: false } },
  logins: { device: { kind: 'bytes', since: 3, default: null } },
}));

vi.mock('../../src/db/tables/index.ts', async (original) => {
  const { sealedTables: before } = await original<{
    sealedTables: Record<string, { sealed: object; unsealed: object }>;
  }>();
  const later = Object.entries(added).map(([table, columns]) => {
    const was = before[table];
    const unsealed =
      table === 'users' ? { ...was?.unsealed, seen_at: { kind: 'time', why: 'shown only' } } : was?.unsealed;
    return [table, { ...was, sealed: { ...was?.sealed, ...columns }, unsealed }];
  });
  return { sealedTables: { ...before, ...Object.fromEntries(later) } };
});

vi.mock('../../src/db/migrations/index.ts', async (original) => {
  const { sql } = await import('kysely');
  const { migrations } = await original<{ migrations: Record<string, unknown> }>();
  type AnyDb = Parameters<typeof migrateUp>[0];
  const later = {
    up: (db: AnyDb) =>
      sql
        .raw(`ALTER TABLE secrets ADD COLUMN colour text;
          ALTER TABLE users ADD COLUMN badge bigint NOT NULL DEFAULT 7, ADD COLUMN seen_at timestamptz;
          ALTER TABLE tokens ADD COLUMN labels jsonb NOT NULL DEFAULT '[]';
          ALTER TABLE session_participants ADD COLUMN noted_at timestamptz;
          ALTER TABLE audit_log ADD COLUMN flagged boolean NOT NULL DEFAULT false;
          ALTER TABLE logins ADD COLUMN device bytea`)
        .execute(db),
    down: (db: AnyDb) =>
      sql
        .raw(`ALTER TABLE secrets DROP COLUMN colour;
          ALTER TABLE users DROP COLUMN badge, DROP COLUMN seen_at;
          ALTER TABLE tokens DROP COLUMN labels;
          ALTER TABLE session_participants DROP COLUMN noted_at;
          ALTER TABLE audit_log DROP COLUMN flagged;
          ALTER TABLE logins DROP COLUMN device`)
        .execute(db),
    formats: Object.fromEntries(
      Object.entries(added).map(([table, columns]) => [
        table,
        Math.max(...Object.values(columns).map(({ since }) => since)),
      ]),
    ),
  };
  return { migrations: { ...migrations, '9000-later': later } };
});

const addedColumns = Object.entries(added).flatMap(([table, columns]) =>
  Object.keys(columns).map((column) => [table as SealedTableName, column] as const),
);

/** The format of the version before. */
const earlierFormat = (table: string): number =>
  Math.max(...Object.values(added[table as keyof typeof added]).map(({ since }) => since)) - 1;

/** What somebody would write into a new column, as SQL. */
const anything: Readonly<Record<string, string>> = {
  colour: "'red'",
  badge: '8',
  labels: `'["admin"]'`,
  noted_at: 'now()',
  flagged: 'true',
  device: `'\\x01'`,
};

describe('a column that is added to tables with rows in them', () => {
  let database: TestDatabase;
  let app: TestApp;
  let seals: Seals;
  let ada: Person;
  let grace: Person;
  let secretId: string;
  let lentId: string;
  let sessionId: string;
  let token: string;
  const rootKey = newRootKey();

  const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;

  const startBefore = (): Promise<ServiceProcess> =>
    startService({
      env: {
        KEYHOLD_DATABASE_URL: database.url('service'),
        KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
        KEYHOLD_ROOT_KEYS: rootKey,
        KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
      },
    });

  const onProcess = (service: ServiceProcess) => ({
    call: ((method, path, options) => send(service.url, method, `/api/v1${path}`, options)) as TestApp['call'],
  });

  const asOwnerOfSchema = <T>(work: Parameters<typeof asMigrator<T>>[1]): Promise<T> =>
    asMigrator(
      { migrator: database.settings('migrator'), service: database.settings('service'), serviceLogin: '' },
      work,
    );

  const sealKeys = async () => {
    const found = await inspectServiceKeys(app.db.db, app.rootKeys.read()?.keys ?? []);
    if (!found.sealKeys) throw new Error('there is no seal key');
    return found.sealKeys;
  };

  const reseal: SealInOlderFormat = async (db, formats) => sealInOlderFormat(db, sealKeys, formats);

  /** The rows of a table that are broken, and in which formats its rows are sealed. */
  const stateOf = async (table: SealedTableName): Promise<{ broken: number; formats: number[] }> => {
    let broken = 0;
    const formats = new Set<number>();
    for await (const rows of scanRows(app.db.db, table)) {
      for (const row of rows) {
        formats.add((row['seal'] as Uint8Array)[0] ?? 0);
        if (!seals.isIntact(table, row)) broken += 1;
      }
    }
    return { broken, formats: [...formats].sort() };
  };

  beforeAll(async () => {
    database = await freshDatabase();
    const before = await startBefore();
    const service = onProcess(before);
    ({ ada, grace } = await people(service, await logInAdmin(service), 'ada', 'grace'));
    secretId = (await keepSecret(ada, { value: 'from before', scope: 'shared', shared_with: [grace.id] })).id;
    sessionId = (await startSession(ada, [grace], { external_id: 'before' })).id;
    lentId = (await keepSecret(ada, { value: 'lent before', scope: 'session', session_id: sessionId })).id;
    const made = { name: 'before', permissions: ['secrets:list'], expires_in: 3600 };
    token = expectStatus(await ada.call('POST', '/auth/tokens', { body: made }), 201).body.token;
    await before.stop();
    await asOwnerOfSchema(migrateUp);
    app = await startApp({ database, rootKey });
    const keys = await sealKeys();
    seals = createSeals(() => keys);
  }, 120_000);
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const revealed = async (who: Person, id: string, session?: string): Promise<unknown> =>
    expectStatus(await who.call('GET', `/secrets/${id}/value`, { session }), 200).body.value;

  it('an added column leaves every earlier row of every table intact', async () => {
    for (const table of Object.keys(sealedTables) as SealedTableName[])
      expect((await stateOf(table)).broken, table).toBe(0);
    for (const [table] of addedColumns) expect((await stateOf(table)).formats, table).toContain(earlierFormat(table));
  });

  it('earlier users, logins, tokens, sessions and secrets still work after a column is added', async () => {
    const again = await logIn(app, 'ada');
    expect(await revealed(again, secretId)).toBe('from before');
    expect(await revealed(await logIn(app, 'grace'), secretId)).toBe('from before');
    expect(await revealed(await logIn(app, 'grace'), lentId, 'before')).toBe('lent before');
    expectStatus(await app.call('GET', '/secrets', { token }), 200);
    const refreshed = await app.call('POST', '/auth/refresh', { body: { refresh_token: ada.refreshToken } });
    expectStatus(refreshed, 200);
  });

  it.each(addedColumns)('a value planted in %s.%s of an earlier row is found out', async (table, column) => {
    const [row] = await sql(`select ctid, seal from ${table} where get_byte(seal, 0) = $1 limit 1`, [
      earlierFormat(table),
    ]);
    expect(row).toBeDefined();
    const before = (await stateOf(table)).broken;
    await sql('alter table audit_log disable trigger all');
    const was = (await sql(`select ${column} as was from ${table} where seal = $1`, [row.seal]))[0].was;
    await sql(`update ${table} set ${column} = ${anything[column]} where seal = $1`, [row.seal]);
    expect((await stateOf(table)).broken).toBe(before + 1);
    const back = Array.isArray(was) ? JSON.stringify(was) : was;
    await sql(`update ${table} set ${column} = $2 where seal = $1`, [row.seal, back]);
    await sql('alter table audit_log enable always trigger audit_log_append_only');
    await sql('alter table audit_log enable always trigger audit_log_no_truncate');
    expect((await stateOf(table)).broken).toBe(before);
  });

  it('the seal of each row written after a column is added covers the column', async () => {
    const later = await logIn(app, 'ada');
    const { id } = await keepSecret(later, { value: 'from later' });
    expectStatus(await later.call('PATCH', `/secrets/${secretId}`, { body: { description: 'changed' } }), 200);
    for (const one of [id, secretId]) {
      const [row] = await sql('select get_byte(seal, 0) as format from secrets where id = $1', [one]);
      expect(row.format).toBe(2);
      await sql(`update secrets set colour = 'red' where id = $1`, [one]);
      expect((await later.call('GET', `/secrets/${one}/value`)).body.code).toBe('integrity_broken');
      await sql('update secrets set colour = null where id = $1', [one]);
      expect((await later.call('GET', `/secrets/${one}/value`)).status).toBe(200);
    }
  });

  it('an added column cannot be hidden by giving a newer seal the byte of an older format', async () => {
    const later = await logIn(app, 'ada');
    const { id } = await keepSecret(later, { value: 'from later' });
    for (const format of [0, 1, 3, 255]) {
      await sql('update secrets set seal = set_byte(seal, 0, $2) where id = $1', [id, format]);
      expect((await later.call('GET', `/secrets/${id}/value`)).body.code, String(format)).toBe('integrity_broken');
    }
    await sql('update secrets set seal = set_byte(seal, 0, 2) where id = $1', [id]);
    expect((await later.call('GET', `/secrets/${id}/value`)).status).toBe(200);
  });

  /** Writes a row as the later version would that knows what the column is for. */
  const write = <T extends 'secrets' | 'users'>(table: T, id: string, changes: Record<string, unknown>) =>
    app.db.db.transaction().execute(async (tx) => {
      const row = await seals.loadOne(tx, table, { id } as never, { lock: 'update' });
      if (!row) throw new Error(`no intact row ${id} of ${table}`);
      await seals.update(tx, table, row, changes as Partial<Tables[T]>);
    });

  it('an added column is not removed while a row holds anything but the default, and the refusal counts such rows of each table', async () => {
    const dumpOf = async () => [
      await sql('select * from secrets order by id'),
      await sql('select * from users order by id'),
      await sql(`select tgname, tgenabled from pg_trigger where not tgisinternal order by 1`),
    ];
    await write('secrets', secretId, { colour: 'red' });
    await write('secrets', lentId, { colour: 'blue' });
    await write('users', ada.id, { badge: 9 });
    const before = await dumpOf();
    await expect(asOwnerOfSchema((db) => migrateDown(db, reseal))).rejects.toMatchObject({
      code: 'state_conflict',
      message: expect.stringMatching(/secrets \(2 rows\), users \(1 row\)/),
    });
    expect(await dumpOf()).toEqual(before);
    expect(await revealed(await logIn(app, 'ada'), secretId)).toBe('from before');
    await write('secrets', secretId, { colour: null });
    await write('secrets', lentId, { colour: null });
    await write('users', ada.id, { badge: 7 });
  });

  it('an added column is not removed without the root keys, and nothing is changed', async () => {
    const missing: SealInOlderFormat = async () => {
      throw new Error('there is no root key');
    };
    await expect(asOwnerOfSchema((db) => migrateDown(db, missing))).rejects.toThrow('there is no root key');
    expect(await revealed(await logIn(app, 'ada'), secretId)).toBe('from before');
  });

  it('an added column is removed from rows of both formats, which the earlier version then finds intact', async () => {
    const later = await logIn(app, 'ada');
    const newer = (await keepSecret(later, { value: 'from later' })).id;
    const broken = (await keepSecret(later, { value: 'to be broken' })).id;
    await sql(`update secrets set description = 'forged' where id = $1`, [broken]);
    const records = await sql('select id from audit_log order by id');
    await asOwnerOfSchema((db) => migrateDown(db, reseal));
    await app.app.close();
    const before = await startBefore();
    const service = onProcess(before);
    const again = await logIn(service, 'ada');
    expect(await revealed(again, secretId)).toBe('from before');
    expect(await revealed(again, newer)).toBe('from later');
    expect(await revealed(await logIn(service, 'grace'), lentId, 'before')).toBe('lent before');
    expect((await again.call('GET', `/secrets/${broken}/value`)).body.code).toBe('integrity_broken');
    expectStatus(await again.call('GET', '/auth/me'), 200);
    for (const [table] of addedColumns) {
      const formats = await sql(`select distinct get_byte(seal, 0) as format from ${table} where seal is not null`);
      const left = formats.map((row) => row.format).filter((format) => format !== earlierFormat(table));
      expect(left, table).toEqual(table === 'secrets' ? [2] : []);
    }
    const kept = await sql('select id from audit_log where id = any($1)', [records.map((row) => row.id)]);
    expect(kept).toHaveLength(records.length);
    await expect(sql('update audit_log set reason = null')).rejects.toThrow('append-only');
    await before.stop();
  });
});
