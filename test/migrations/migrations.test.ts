import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { prepareSchema, serviceRole } from '../../src/db/grants.ts';
import { prepareJobs } from '../../src/db/job-schema.ts';
import { isCurrentSchema, migrateDown, migrateDownAll, migrateUp, migrationStatus } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/index.ts';
import { type Access, asMigrator } from '../../src/db/open.ts';
import { schemaSnapshot } from '../../src/db/schema-snapshot.ts';
import { startApp } from '../support/app.ts';
import { freshDatabase, type RoleName, type TestDatabase } from '../support/database.ts';
import { logInAdmin } from '../support/people.ts';

let stack = new AsyncDisposableStack();

afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

const database = async (options: { empty?: boolean } = {}): Promise<TestDatabase> => {
  const made = await freshDatabase(options);
  stack.defer(() => made.drop());
  return made;
};

const migrating = <T>(on: TestDatabase, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> => {
  const access: Access = { migrator: on.settings('migrator'), service: on.settings('service'), serviceLogin: '' };
  return asMigrator(access, work);
};

/** The snapshot that is committed, and what it leaves out: rights on the schema, on functions, on single columns. */
const dump = async (on: TestDatabase): Promise<string> => {
  const rights = await on.client.query(`
    select 'schema' as what, nspname::text as name, nspacl::text as acl from pg_namespace where nspname = 'public'
    union all select 'function', proname, proacl::text from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'column', attrelid::regclass || '.' || attname, attacl::text from pg_attribute
      where attacl is not null and attrelid >= 16384
    union all select 'owner', relname, relowner::regrole::text from pg_class where relnamespace = 'public'::regnamespace
    order by 1, 2`);
  return `${await migrating(on, schemaSnapshot)}${JSON.stringify(rights.rows, null, 1)}`;
};

const objects = async (on: TestDatabase): Promise<string[]> => {
  const { rows } = await on.client.query(`
    select relname::text as name from pg_class where relnamespace = 'public'::regnamespace
    union all select proname from pg_proc where pronamespace = 'public'::regnamespace
    union all select typname from pg_type where typnamespace = 'public'::regnamespace and typtype <> 'b'
    order by 1`);
  return rows.map((row) => row.name).filter((name) => !name.startsWith('kysely_migration'));
};

/** Takes back what came after this migration. */
const migrateDownTo = async (db: Kysely<unknown>, name: string): Promise<void> => {
  while ((await migrationStatus(db)).findLast(({ executedAt }) => executedAt !== null)?.name !== name)
    await migrateDown(db, async () => undefined);
};

const newer = (on: TestDatabase) =>
  on.client.query(`insert into kysely_migration (name, timestamp) values ('9999-from-the-future', now()::text)`);

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A real `keyhold migrate …` on the database. */
const command = (on: TestDatabase, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const env = {
    PATH: process.env['PATH'],
    KEYHOLD_DATABASE_URL: on.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: on.url('migrator'),
  };
  return new Promise((resolve) => {
    execFile(process.execPath, ['src/main.ts', 'migrate', ...args], { cwd: root, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
};

/** What a role may do, told by the SQLSTATE that it gets: undefined when it was done. */
const attempt = async (client: pg.Client, statement: string): Promise<string | undefined> => {
  try {
    await client.query('begin');
    await client.query(statement);
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await client.query('rollback');
  }
};

const connect = async (on: TestDatabase, role: RoleName, as?: string): Promise<pg.Client> => {
  const options = as === undefined ? {} : { options: `-c role=${as}` };
  const client = new pg.Client({ ...on.settings(role), ...options });
  await client.connect();
  stack.defer(() => client.end());
  return client;
};

/** For migrations that add no sealed column to a table with rows in it. */
const noFormats = async (): Promise<void> => undefined;

const denied = '42501';

describe('the schema', () => {
  it('the schema is the same after migrating up, down and up again', async () => {
    const on = await database({ empty: true });
    await migrating(on, (db) => prepareSchema(db, serviceRole));
    const before = await dump(on);
    expect(before).toContain('CREATE TABLE secrets');
    expect(before).toContain('CREATE TRIGGER audit_log_append_only');
    expect(before).toMatch(/GRANT INSERT, SELECT ON audit_log TO keyhold_service/);
    await migrating(on, migrateDownAll);
    expect(await dump(on)).not.toContain('CREATE TABLE secrets');
    await migrating(on, (db) => prepareSchema(db, serviceRole));
    expect(await dump(on)).toBe(before);
  });

  it('the schema is the same after each migration is reverted and applied again by itself', async () => {
    const on = await database({ empty: true });
    const after: string[] = [];
    for (const _name of Object.keys(migrations)) {
      await migrating(on, (db) => prepareSchema(db, serviceRole));
      after.push(await dump(on));
      await migrating(on, (db) => migrateDown(db, noFormats));
      await migrating(on, (db) => prepareSchema(db, serviceRole));
      expect(await dump(on)).toBe(after.at(-1));
    }
  });

  it('a comparison of schemas shows a difference of one column, one default or one privilege', async () => {
    const on = await database();
    const before = await dump(on);
    for (const change of [
      'alter table secrets alter column tags drop default',
      'alter table secrets alter column description type varchar(1025)',
      'grant update on audit_log to keyhold_service',
      'alter table audit_log disable trigger audit_log_append_only',
      'drop index ix_secrets_type',
      'alter table secrets drop constraint ck_secrets_scope',
      'grant create on schema public to keyhold_service',
    ]) {
      await on.client.query(change);
      const after = await dump(on);
      expect(after, change).not.toBe(before);
    }
  });

  it('migrating down to nothing leaves no object behind', async () => {
    const on = await database({ empty: true });
    expect(await objects(on)).toEqual([]);
    await migrating(on, migrateUp);
    expect(await objects(on)).toContain('secrets');
    await migrating(on, migrateDownAll);
    expect(await objects(on)).toEqual([]);
  });

  it('20 simultaneous migrators make the schema once, and it serves', async () => {
    const alone = await database({ empty: true });
    await migrating(alone, (db) => prepareSchema(db, serviceRole));
    const on = await database({ empty: true });
    const ready = await Promise.all(
      Array.from({ length: 20 }, () => migrating(on, (db) => prepareSchema(db, serviceRole))),
    );
    expect(ready).toEqual(Array(20).fill(true));
    expect(await dump(on)).toBe(await dump(alone));
    const { rows } = await on.client.query('select name from kysely_migration order by name');
    expect(rows.map((row) => row.name)).toEqual(Object.keys(migrations));
    expect(await migrating(on, isCurrentSchema)).toBe(true);
    await using service = { app: await startApp({ database: on }), [Symbol.asyncDispose]: () => service.app.close() };
    expect((await logInAdmin(service.app)).username).toBe('admin');
  });

  it('the schema of a newer Keyhold is refused by every command, with advice, and left as it is', async () => {
    const on = await database();
    const before = await dump(on);
    expect(await migrating(on, isCurrentSchema)).toBe(true);
    await newer(on);
    expect(await migrating(on, isCurrentSchema)).toBe(false);
    const refusal = /newer schema than this Keyhold knows \(9999-from-the-future\)\. Start the newer version/;
    for (const work of [
      migrateUp,
      (db: Kysely<unknown>) => migrateDown(db, noFormats),
      migrateDownAll,
      (db: Kysely<unknown>) => prepareSchema(db, serviceRole),
      migrationStatus,
    ] as const)
      await expect(migrating(on, work as (db: Kysely<unknown>) => Promise<unknown>)).rejects.toThrow(refusal);
    for (const verb of [['status'], ['up'], ['down', '--yes']]) {
      const { code, stdout, stderr } = await command(on, ...verb);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(refusal);
    }
    expect(await dump(on)).toBe(before);
  });

  it('the commands migrate status, down and up look after the schema', async () => {
    const on = await database();
    const before = await dump(on);
    const names = Object.keys(migrations);
    const states = (text: string): string[] => text.trim().split('\n');
    const applied = await command(on, 'status');
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    expect(states(applied.stdout)).toEqual(names.map((name) => expect.stringMatching(`^${name}  applied \\d{4}-`)));
    const taken = await command(on, 'down', '--yes');
    expect(taken).toMatchObject({ code: 0, stderr: '' });
    expect(states(taken.stdout).at(-1)).toBe(`${names.at(-1)}  not applied`);
    expect(await command(on, 'up')).toMatchObject({ code: 0, stderr: '' });
    expect(await dump(on)).toBe(before);
  });

  it('the schema has the indices, checks and columns that the model names', async () => {
    const on = await database();
    const { rows } = await on.client.query(`select indexname, indexdef from pg_indexes where tablename = 'secrets'`);
    const indices = new Map(rows.map((row) => [row.indexname, row.indexdef.replace(/^.* USING /, '')]));
    expect(Object.fromEntries(indices)).toMatchObject({
      ix_secrets_owner_id: 'btree (owner_id, id DESC)',
      ix_secrets_name: 'btree (name)',
      ix_secrets_type: 'btree (type)',
      ix_secrets_scope: 'btree (scope)',
      ix_secrets_session_id: 'btree (session_id, id DESC)',
      ix_secrets_owner_scope: 'btree (owner_id, scope)',
    });
    expect([...indices.values()]).toContain('gin (shared_with jsonb_path_ops)');
    const columns = await on.client.query(`select string_agg(format('%s %s%s%s', a.attname,
        format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' NOT NULL' else '' end,
        coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')), E'\n' order by a.attnum) as text
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = 'secrets'::regclass and a.attnum > 0`);
    const lines: string[] = columns.rows[0].text.split('\n');
    expect(lines.slice(0, 15)).toEqual([
      'id uuid NOT NULL',
      'owner_id uuid NOT NULL',
      'name character varying(256) NOT NULL',
      'type character varying(50) NOT NULL',
      `scope character varying(20) NOT NULL DEFAULT 'user'::character varying`,
      'session_id character varying(128)',
      `shared_with jsonb NOT NULL DEFAULT '[]'::jsonb`,
      'encrypted_value text NOT NULL',
      'description character varying(1024)',
      `tags jsonb NOT NULL DEFAULT '[]'::jsonb`,
      'expires_at timestamp with time zone',
      'is_active boolean NOT NULL DEFAULT true',
      `metadata jsonb NOT NULL DEFAULT '{}'::jsonb`,
      'created_at timestamp with time zone NOT NULL DEFAULT now()',
      'updated_at timestamp with time zone NOT NULL DEFAULT now()',
    ]);
    for (const column of ['version integer NOT NULL DEFAULT 1', 'seal bytea NOT NULL']) expect(lines).toContain(column);
  });

  it('the schema enforces its rules about a secret on every writer of the row', async () => {
    const on = await database();
    const { client } = on;
    const [owner, key, a, b] = ['1', '2', 'a', 'b'].map((end) => `00000000-0000-7000-8000-00000000000${end}`);
    await client.query(`insert into users (id, username, username_key, seal) values ('${owner}', 'u', 'u', '')`);
    await client.query(`insert into owner_keys (id, owner_id, wrapped_key, root_key_id, created_at, seal)
      values ('${key}', '${owner}', '', '', now(), '')`);
    const insert = (change: Record<string, string>): Promise<string | undefined> => {
      const row = { id: `'${a}'`, owner_id: `'${owner}'`, name: `'n'`, type: `'other'`, encrypted_value: `''` };
      const whole: Record<string, string> = { ...row, key_id: `'${key}'`, seal: `''`, ...change };
      return attempt(client, `insert into secrets (${Object.keys(whole)}) values (${Object.values(whole)})`);
    };
    const many = (size: number): string =>
      `(select jsonb_agg(gen_random_uuid()::text) from generate_series(1, ${size}))`;
    const allowed: Record<string, string>[] = [
      {},
      { scope: `'session'`, session_id: `'${b}'` },
      { scope: `'shared'`, shared_with: `'["${a}","${b}"]'` },
      { scope: `'shared'`, shared_with: many(1000) },
    ];
    const refused: Record<string, string>[] = [
      { scope: `'public'` },
      { scope: `'session'` },
      { session_id: `'${b}'` },
      { shared_with: `'["${a}"]'` },
      { scope: `'session'`, session_id: `'${b}'`, shared_with: `'["${a}"]'` },
      { scope: `'shared'`, shared_with: `'["${a}","${a}"]'` },
      { scope: `'shared'`, shared_with: `'["not an id"]'` },
      { scope: `'shared'`, shared_with: `'[1]'` },
      { scope: `'shared'`, shared_with: `'{}'` },
      { scope: `'shared'`, shared_with: `'null'` },
      { scope: `'shared'`, shared_with: many(1001) },
      { exposure: `'none'` },
    ];
    for (const change of allowed) expect(await insert(change), JSON.stringify(change)).toBeUndefined();
    for (const change of refused) expect(await insert(change), JSON.stringify(change)).toBe('23514');
  });
});

describe('taking the jobs back', () => {
  it('the jobs are not taken back while an erasure is unfinished, and nothing is lost by the attempt', async () => {
    const on = await database();
    const takeBack = (db: Kysely<unknown>) => migrateDownTo(db, '0002-closed-identities');
    const sql = async (text: string) => (await on.client.query(text)).rows;
    await sql(`insert into users (id, username, username_key, status, seal)
      values ('0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f', 'a', 'a', 'erased', '')`);
    await sql(`insert into owner_keys (id, owner_id, wrapped_key, root_key_id, state, created_at, seal)
      values (gen_random_uuid(), '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f', '', 'r', 'destroyed', now(), '')`);
    await expect(migrating(on, takeBack)).rejects.toThrow('The erasure of a user is not finished');
    expect(await sql('select count(*)::int as n from jobs')).toEqual([{ n: 0 }]);
    expect(await sql("select 1 from pg_namespace where nspname = 'keyhold_jobs'")).toHaveLength(1);
    await sql('delete from owner_keys');
    await migrating(on, takeBack);
    expect(await objects(on)).not.toContain('jobs');
    expect(await sql("select 1 from pg_namespace where nspname = 'keyhold_jobs'")).toEqual([]);
    await migrating(on, async (db) => {
      await prepareSchema(db, serviceRole);
      await prepareJobs(db);
    });
    expect(await objects(on)).toContain('jobs');
    expect(await sql('select name from keyhold_jobs.queue')).toEqual([{ name: 'work' }]);
  });
});

describe('the rights of the service', () => {
  it('the service can write its rows and can change neither records nor the schema', async () => {
    const on = await database();
    await migrating(on, (db) => prepareSchema(db, on.settings('service').user ?? ''));
    const service = await connect(on, 'service', serviceRole);
    expect((await service.query('select current_user as me')).rows).toEqual([{ me: serviceRole }]);
    const record = `insert into audit_log (id, recorded_at, request_id, action, outcome, nonce, seal)
      values (gen_random_uuid(), now(), 'r', 'secret.get', 'allowed', '', '')`;
    for (const statement of [
      'select * from audit_log',
      record,
      'select * from users',
      'delete from secrets',
      'delete from service_keys',
    ])
      expect(await attempt(service, statement), statement).toBeUndefined();
    for (const statement of [
      `update audit_log set outcome = 'allowed'`,
      'delete from audit_log',
      'truncate audit_log',
      'alter table audit_log disable trigger all',
      'drop trigger audit_log_append_only on audit_log',
      'drop table audit_log',
      'alter table audit_log rename to old_log',
      'truncate secrets',
      'delete from users',
      'update service_keys set purpose = purpose',
      "update service_keys set root_key_id = 'x'",
      'update closed_identities set state = state',
      'delete from closed_identities',
      'delete from closed_identity_count',
      'create table mine (id int)',
      'create function mine() returns int language sql as $$ select 1 $$',
      'create or replace function keyhold_append_only() returns trigger language plpgsql as $$ begin return null; end $$',
      'alter table secrets add column mine int',
      'alter table secrets drop constraint ck_secrets_scope',
      'create index mine on secrets (name)',
      'drop schema public cascade',
      `update kysely_migration set name = 'x'`,
      'set session_replication_role = replica',
      `copy secrets to program 'cat'`,
    ])
      expect(await attempt(service, statement), statement).toBe(denied);
    const { rows } = await service.query(`select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication
      from pg_roles where rolname in (current_user, session_user)`);
    for (const role of rows) expect(Object.values(role)).toEqual(Array(5).fill(false));
  });

  it('a trigger keeps even the tables’ owner and a superuser from changing records', async () => {
    const on = await database();
    await on.client.query(`insert into audit_log (id, recorded_at, request_id, action, outcome, nonce, seal)
      values (gen_random_uuid(), now(), 'r', 'secret.get', 'allowed', '', '')`);
    for (const client of [await connect(on, 'migrator'), on.client]) {
      for (const statement of [
        `update audit_log set outcome = 'refused'`,
        'update audit_log set seal = seal',
        'delete from audit_log',
        'truncate audit_log',
        'truncate audit_log cascade',
      ])
        expect(await attempt(client, statement), statement).toBe(denied);
    }
    // Not even where triggers are put to sleep for a restore.
    await on.client.query('set session_replication_role = replica');
    expect(await attempt(on.client, 'delete from audit_log')).toBe(denied);
    await on.client.query('reset session_replication_role');
    expect((await on.client.query(sqlCount)).rows).toEqual([{ count: 1 }]);
  });
});

const sqlCount = 'select count(*)::int as count from audit_log';
