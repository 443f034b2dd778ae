import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deafHost, startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { documentedOperations } from '../support/documented.ts';
import {
  anyText,
  type Exercised,
  exercise,
  externalIssuers,
  hs256Secret,
  type Target,
  unexercised,
} from '../support/exercise/index.ts';
import { storeJob } from '../support/jobs.ts';
import { type Leak, pieceLength } from '../support/leaks.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { newRootKeyFile, type RootKeyFile } from '../support/root-key-file.ts';
import { tableContents } from '../support/table-contents.ts';

const found = (leaks: readonly Leak[]): string[] =>
  leaks.map(({ planted, where, around }) => `${planted} in ${where}: ${around}`);

interface Started {
  readonly target: Target;
  readonly adminPassword: string;
  /** What the service works with and shows to nobody, by the end. */
  also(): Readonly<Record<string, string>>;
  stop(): Promise<unknown>;
}

/** Where planted texts could be, and what of them is there. */
const createFindings = (target: Target, { secrets, texts, answers, metrics }: Exercised) => {
  const isRecord = (column: string): boolean => column.startsWith('audit_log.');
  return {
    answers: (): Leak[] =>
      answers.flatMap(({ what, text, mayHold }) => secrets.find(what, text, (planted) => mayHold.includes(planted))),
    log: (more = ''): Leak[] => [secrets, texts].flatMap((search) => search.find('log', `${target.written()}${more}`)),
    metrics: (more = ''): Leak[] => [secrets, texts].flatMap((search) => search.find('metrics', `${metrics}${more}`)),
    /** In every table, or in one. */
    tables: async (only?: string): Promise<Leak[]> =>
      [...(await tableContents(target.database, only))].flatMap(([column, content]) => [
        ...secrets.find(column, content),
        ...(isRecord(column) ? texts.find(column, content) : []),
      ]),
  };
};

/** Of what the service works with, what no other text shares six characters with; hexadecimal digits are everywhere. */
const encodedAsText = /^(root key \d+|issuer secret)$/;

it('every operation that is documented is exercised', () => {
  expect(unexercised()).toEqual({ missing: [], unknown: [] });
});

const suite = (name: string, inThisProcess: boolean, start: () => Promise<Started>): void => {
  describe(`what is secret stays inside ${name}`, () => {
    let stop: () => Promise<unknown> = async () => undefined;
    let target: Target;
    let done: Exercised;
    let findings: ReturnType<typeof createFindings>;
    beforeAll(async () => {
      const started = await start();
      ({ target, stop } = started);
      done = await exercise(target, started.adminPassword);
      for (const [what, secret] of Object.entries(started.also()))
        done.secrets.plant(what, secret, { pieces: encodedAsText.test(what) });
      findings = createFindings(target, done);
    }, 180_000);
    afterAll(() => stop());

    it('the service was exercised: values were revealed, requests refused, records made', async () => {
      const revealed = done.answers.filter(({ text, mayHold }) =>
        mayHold.some((one) => done.secrets.find('', text).some(({ planted }) => planted === one)),
      );
      expect(revealed.length).toBeGreaterThanOrEqual(7);
      const statuses = new Set(done.answers.map(({ status }) => status));
      for (const status of [200, 201, 204, 400, 401, 403, 404, 409, 412, 415]) expect(statuses).toContain(status);
      expect(Math.max(...statuses)).toBeGreaterThanOrEqual(500);
      const contents = await tableContents(target.database);
      expect(contents.get('audit_log.action')).toMatch(/secret\.reveal/);
      expect(contents.get('secrets.name')).toMatch(/LAST/);
      expect(target.written().length).toBeGreaterThan(1000);
    });

    it('every refusal is one that the document tells of', () => {
      const documented = new Map(documentedOperations.map((one) => [one.operationId, Object.keys(one.responses)]));
      const untold = done.answers
        // Trouble of the service itself is documented as the default.
        .filter(({ operationId, status }) => operationId !== null && status < 500)
        .filter(({ operationId, status }) => !documented.get(operationId ?? '')?.includes(String(status)))
        .map(({ operationId, what }) => `${operationId}: ${what}`);
      expect([...new Set(untold)]).toEqual([]);
    });

    it('nothing secret is in any answer but a reveal’s and a login’s', () =>
      expect(found(findings.answers())).toEqual([]));
    it('nothing secret and no name is in what is logged or printed', () => expect(found(findings.log())).toEqual([]));
    it('nothing secret and no name is in the metrics', () => expect(found(findings.metrics())).toEqual([]));
    it('nothing secret is in any column of any table, and no name in a record', async () =>
      expect(found(await findings.tables())).toEqual([]));

    it('a leak would be found, whole or in part, however it is written', () => {
      const leak = done.secrets.plant('a leak', anyText());
      const name = done.texts.plant('a name', anyText());
      for (const [text, search] of [
        [leak, done.secrets],
        [name, done.texts],
      ] as const) {
        for (const spelling of spellingsOf(text))
          expect(search.find('', `before ${spelling} after`), spelling).toHaveLength(1);
        expect(search.find('', [...text].slice(0, pieceLength - 1).join(''))).toEqual([]);
      }
    });

    it('a piece of a secret would be found in each of these places', () => {
      const leak = pieceOf(done.secrets.plant('a leak somewhere', anyText()), 0);
      const name = pieceOf(done.texts.plant('a name somewhere', anyText()), 0);
      expect(planted(findings.log(leak + name))).toEqual(['a leak somewhere', 'a name somewhere']);
      expect(planted(findings.metrics(leak + name))).toEqual(['a leak somewhere', 'a name somewhere']);
      done.answers.push({ what: 'planted', status: 200, text: leak + name, mayHold: ['value'], operationId: null });
      expect(planted(findings.answers())).toEqual(['a leak somewhere']);
      done.answers.pop();
    });

    // The tables are searched by the same code for both services: one of them is enough to show that it finds.
    if (inThisProcess)
      it('a piece of a secret would be found in each column of each table, and of a name in records', async () => {
        const leak = done.secrets.plant('a leak in a table', anyText());
        const name = done.texts.plant('a name in a record', anyText());
        const searched = await eachColumn(target.database, leak, findings.tables);
        expect(searched).toBeGreaterThanOrEqual(30);
        const inRecords = await eachColumn(target.database, name, findings.tables, 'audit_log');
        expect(inRecords).toBeGreaterThanOrEqual(5);
      }, 600_000);
  });
};

const planted = (leaks: readonly Leak[]): string[] => leaks.map((one) => one.planted);

const pieceOf = (text: string, at: number): string => [...text].slice(at, at + pieceLength).join('');

/** A text as it could stand somewhere: the whole of it and pieces, in many spellings. */
const spellingsOf = (text: string): string[] => {
  const bytes = Buffer.from(text);
  const pieces = [0, 5, [...text].length - pieceLength].map((at) => pieceOf(text, at));
  return [
    ...[text, ...pieces].flatMap((part) => [
      part,
      JSON.stringify({ a: part }),
      JSON.stringify(JSON.stringify(part)),
      encodeURIComponent(part),
      Buffer.from(part).toString('hex'),
      Buffer.from(part).toString('hex').toUpperCase(),
    ]),
    // The first characters, as a careless log would cut them.
    text.slice(0, pieceLength),
    ...[bytes, bytes.subarray(0, 12), bytes.subarray(7, 19)].flatMap((part) =>
      [0, 1, 2].flatMap((offset) =>
        (['base64', 'base64url'] as const).map((encoding) =>
          Buffer.concat([Buffer.from('xyz'.slice(0, offset)), part, Buffer.from('zz')]).toString(encoding),
        ),
      ),
    ),
  ];
};

interface Column {
  readonly table_name: string;
  readonly column_name: string;
  readonly data_type: string;
  readonly length: number | null;
}

/** Puts the leak's first piece into each column that can hold it, and expects to find it there and nowhere else. */
const eachColumn = async (
  { client }: TestDatabase,
  leak: string,
  find: (table: string) => Promise<Leak[]>,
  only?: string,
): Promise<number> => {
  await client.query('set session_replication_role = replica');
  await client.query('alter table audit_log disable trigger all');
  const { rows } = await client.query<Column>(`select table_name, column_name, data_type,
    character_maximum_length as length from information_schema.columns where table_schema = 'public'
    and table_name not like 'kysely%' and data_type in ('text', 'character varying', 'jsonb', 'bytea') order by 1, 2`);
  const columns = rows.filter(
    ({ table_name, length }) => (only ?? table_name) === table_name && (length ?? 99) >= pieceLength,
  );
  let searched = 0;
  for (const column of columns) {
    await client.query('begin');
    const changed = await putInto(client, column, pieceOf(leak, 0));
    const leaks = await find(column.table_name);
    await client.query('rollback');
    if (!changed) continue;
    searched += 1;
    const { table_name, column_name } = column;
    expect([...new Set(leaks.map(({ where }) => where))], `${table_name}.${column_name}`).toEqual([
      `${table_name}.${column_name}`,
    ]);
  }
  return searched;
};

/** Changes one row, in a transaction that is rolled back; false where the table has none. */
const putInto = async (
  client: TestDatabase['client'],
  { table_name, column_name, data_type }: Column,
  text: string,
): Promise<boolean> => {
  // Checks of a column's form stand in the way of this test only.
  const checks = await client.query(
    `select conname from pg_constraint where conrelid = '${table_name}'::regclass and contype = 'c'`,
  );
  for (const { conname } of checks.rows) await client.query(`alter table ${table_name} drop constraint ${conname}`);
  const values: Readonly<Record<string, unknown>> = { jsonb: JSON.stringify({ a: text }), bytea: Buffer.from(text) };
  const { rowCount } = await client.query(
    `update ${table_name} set ${column_name} = $1 where ctid = (select ctid from ${table_name} limit 1)`,
    [values[data_type] ?? text],
  );
  return rowCount !== 0;
};

suite('the service, its log at debug', true, async () => {
  const adminPassword = anyText();
  const keyFile = newRootKeyFile();
  const app: TestApp = await startApp({
    rootKeys: keyFile.source,
    env: { KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword, KEYHOLD_JWT_ISSUERS: externalIssuers },
  });
  const { url, database, logged: written } = app;
  return {
    target: { url, database, written, storeJob: () => storeJob(app), addRootKey: keyFile.add },
    adminPassword,
    also: () => secretsOf(keyFile, database),
    stop: async () => {
      await app.close();
      keyFile.remove();
    },
  };
});

suite('a process of its own', false, async () => {
  const adminPassword = anyText();
  const keyFile = newRootKeyFile();
  const database = await freshDatabase();
  const service: ServiceProcess = await startService({
    env: {
      KEYHOLD_DATABASE_URL: database.url('service'),
      KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
      KEYHOLD_ROOT_KEY_FILE: keyFile.path,
      KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
      KEYHOLD_JWT_ISSUERS: externalIssuers,
      KEYHOLD_LOG_LEVEL: 'debug',
      KEYHOLD_RATE_LIMIT: '1000000',
      KEYHOLD_WEBHOOK_ALLOWED_HOSTS: deafHost,
    },
  });
  const written = () => `${service.stdout()}\n${service.stderr()}`;
  const db = database.open(1);
  const target: Target = {
    url: service.url,
    database,
    written,
    storeJob: () => storeJob({ db, rootKeys: keyFile.source, clock: settableClock() }),
    addRootKey: keyFile.add,
  };
  const stop = async () => {
    await db.close();
    await service.stop();
    await database.drop();
    keyFile.remove();
  };
  return { target, adminPassword, also: () => secretsOf(keyFile, database), stop };
});

/** What the service works with and shows to nobody. */
function secretsOf(keyFile: RootKeyFile, database: TestDatabase): Record<string, string> {
  const password = (role: 'service' | 'migrator'): string => String(database.settings(role).password);
  const rootKeys = keyFile.text().split('\n').filter(Boolean);
  return {
    ...Object.fromEntries(rootKeys.map((key, at) => [`root key ${at}`, key.slice(0, -1)])),
    ...Object.fromEntries(rootKeys.map((key, at) => [`bytes of ${at}`, Buffer.from(key, 'base64url').toString('hex')])),
    'issuer secret': hs256Secret,
    'database password': password('service'),
    'migrator password': password('migrator'),
  };
}
