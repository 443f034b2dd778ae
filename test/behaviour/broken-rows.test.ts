import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRootKey, startApp, type TestApp } from '../support/app.ts';
import { sampled } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';

type Row = Record<string, unknown>;

/** What no migration of ours lets a column hold, as SQL, by the type that the column is given for it. */
const oddities: readonly (readonly [string, string])[] = [
  ['null', 'null'],
  ['an empty text', `''::text`],
  ['another type', `'{"a": [1, 2]}'::jsonb`],
  ['a negative number', '-1::int'],
  ['a number beyond every integer', '1e300::float8'],
  ['a time without end', `'infinity'::timestamptz`],
  ['a time before Christ', `'0044-03-15 00:00:00+00 BC'::timestamptz`],
  ['a megabyte', `repeat('x', 1000000)`],
  ['a deep document', `(repeat('[', 2000) || repeat(']', 2000))::jsonb`],
];

/** What is tried in every run, and not in the soak alone: these columns decide which row is read and where a page goes on. */
const isAlwaysTried = (column: string, value: string): boolean =>
  (value === 'null' && /^(id|(owner|user|secret|session|key)_id)$/.test(column)) ||
  (value === '-1::int' && column === 'version');

/** Rows that are read one way or another by the requests below. */
const tables = [
  'users',
  'logins',
  'tokens',
  'sessions',
  'session_participants',
  'owner_keys',
  'secrets',
  'secret_versions',
];

describe('a row that no service wrote', () => {
  let database: TestDatabase;
  let app: TestApp;
  let ada: Person;
  let grace: Person;
  let admin: Person;
  let token: Person;
  let secret: Row;
  let session: Row;
  let columns: Row[];

  const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;

  beforeAll(async () => {
    database = await freshDatabase();
    app = await startApp({ database, rootKey: newRootKey(), env: { KEYHOLD_DATABASE_CONNECTIONS: '2' } });
    admin = await logInAdmin(app);
    ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
    session = await startSession(ada, [grace], { external_id: 'chat' });
    secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
    expectStatus(await ada.call('PUT', `/secrets/${secret['id']}/value`, { body: { value: 'second' } }), 200);
    await keepSecret(ada, { scope: 'session', session_id: session['id'] });
    const body = { name: 'a token', permissions: ['secrets:list', 'secrets:reveal'], expires_in: 3600 };
    token = ada.with(expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body.token);
    for (const {
      sql: drop,
    } of await sql(`select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) as sql
      from pg_constraint where connamespace = 'public'::regnamespace and contype in ('c', 'f')`))
      await sql(drop);
    for (const { sql: drop } of await sql(
      `select format('drop index %s', indexrelid::regclass) as sql from pg_index
      join pg_class c on c.oid = indrelid where c.relnamespace = 'public'::regnamespace and not indisprimary
        and c.relname = any($1)`,
      [tables],
    ))
      await sql(drop);
    for (const { sql: drop } of await sql(
      `select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) as sql
      from pg_constraint where connamespace = 'public'::regnamespace and contype = 'p' and conrelid::regclass::text = any($1)`,
      [tables],
    ))
      await sql(drop);
    columns = await sql(
      `select table_name as "table", column_name as "column", data_type as type from information_schema.columns
       where table_schema = 'public' and table_name = any($1) order by table_name, ordinal_position`,
      [tables],
    );
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const lastError = (): string =>
    app
      .logged()
      .split('\n')
      .findLast((line) => line.includes('"level":50')) ?? '';

  /** One request for each way in which these rows are read. */
  const requests = (): readonly (() => Promise<Answer<unknown>>)[] => [
    () => ada.call('GET', '/auth/me'),
    () => ada.call('GET', '/auth/me', { session: 'chat' }),
    () => ada.call('GET', '/auth/logins'),
    () => ada.call('GET', '/auth/tokens'),
    () => token.call('GET', '/secrets'),
    () => ada.call('GET', '/secrets'),
    () => grace.call('GET', '/secrets', { session: 'chat' }),
    () => ada.call('GET', `/secrets/${secret['id']}/value`),
    () => grace.call('GET', `/secrets/${secret['id']}/value`),
    () => ada.call('GET', `/secrets/${secret['id']}/versions`),
    () => ada.call('GET', `/secrets/${secret['id']}/access`),
    () => ada.call('POST', `/secrets/${secret['id']}/versions/1/restore`),
    () => ada.call('GET', '/secrets/stats'),
    () => ada.call('POST', '/secrets/reveal', { body: { names: [secret['name']] } }),
    () => ada.call('GET', '/sessions'),
    () => ada.call('GET', `/sessions/${session['id']}/cleanup`),
    () => admin.call('GET', '/users'),
    () => admin.call('GET', '/users?limit=5'),
    () => ada.call('GET', '/secrets?limit=1'),
    () => ada.call('GET', `/users/${ada.id}`),
    () => app.call('POST', '/auth/refresh', { body: { refresh_token: ada.refreshToken } }),
  ];

  it.each(oddities)('is a broken row, never an internal error, where a column holds %s', async (_what, value) => {
    const tried = columns.filter(
      (one) => sampled(`${one['table']}.${one['column']} ${value}`, 12) || isAlwaysTried(String(one['column']), value),
    );
    for (const { table, column, type } of tried) {
      await sql(`begin; alter table ${table} alter column ${column} drop default, alter column ${column} drop not null;
        create table kept as table ${table}; commit`);
      const [{ type: other }] = await sql(`select pg_typeof(${value})::text as type`);
      const odd = other === 'unknown' ? type : other;
      await sql(`begin; alter table ${table} drop column ${column}; alter table ${table} add column ${column} ${odd};
        update ${table} set ${column} = ${value}; commit`);
      const answers: Answer<unknown>[] = [];
      for (const request of requests()) answers.push(await request());
      await sql(`begin; drop table ${table}; alter table kept rename to ${table};
        grant select, insert, update, delete on ${table} to keyhold_service; commit`);
      for (const { status, text } of answers) {
        const isOurs = status === 503 ? text.includes('unavailable') : status < 500;
        expect(isOurs, `${table}.${column}: ${status} ${text}\n${lastError()}`).toBe(true);
      }
    }
  });
});
