import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, uniqueName } from '../support/people.ts';

/** One value everywhere, so that nothing but the IV and the key makes two tokens differ. */
const value = 'the same value';
const createdAtOnce = 12;

let app: TestApp;
let ada: Person;
let grace: Person;

beforeAll(async () => {
  app = await startApp();
  ({ ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace'));
  for (const who of [ada, grace]) {
    const { id } = await keepSecret(who, { value });
    for (let times = 0; times < 2; times += 1)
      expectStatus(await who.call('PUT', `/secrets/${id}/value`, { body: { value } }), 200);
    expectStatus(await who.call('POST', `/secrets/${id}/versions/1/restore`), 201);
    await Promise.all(Array.from({ length: createdAtOnce }, () => keepSecret(who, { value })));
    const items = Array.from({ length: createdAtOnce }, () => ({ name: uniqueName('MANY'), type: 'other', value }));
    expectStatus(await who.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
  }
});
afterAll(() => app.close());

/** Every Fernet token in the database, in whichever table and column of text. */
const storedTokens = async (): Promise<Map<string, string[]>> => {
  const { rows: columns } = await app.database.client.query(
    `select table_name, column_name from information_schema.columns
     where table_schema = 'public' and data_type in ('text', 'character varying')`,
  );
  const found = new Map<string, string[]>();
  for (const { table_name, column_name } of columns) {
    const { rows } = await app.database.client.query(
      `select ${column_name} as token from ${table_name} where ${column_name} ~ '^gAAAAA[A-Za-z0-9_=-]{90,}$'`,
    );
    if (rows.length > 0)
      found.set(
        `${table_name}.${column_name}`,
        rows.map(({ token }) => token),
      );
  }
  return found;
};

/** Bytes 9 to 24 of a Fernet token: behind the version and the time. */
const ivOf = (token: string): string => Buffer.from(token, 'base64url').subarray(9, 25).toString('hex');

describe('the tokens that are stored', () => {
  it('no two of the stored tokens have the same IV, in any table', async () => {
    const stored = await storedTokens();
    expect([...stored.keys()].sort()).toEqual([
      'owner_keys.wrapped_key',
      'secret_versions.encrypted_value',
      'secrets.encrypted_value',
      'service_keys.wrapped_key',
    ]);
    const tokens = [...stored.values()].flat();
    expect(stored.get('secrets.encrypted_value')).toHaveLength(2 * (1 + 2 * createdAtOnce));
    expect(stored.get('secret_versions.encrypted_value')).toHaveLength(2 * 3);
    // A version that was replaced moves to its own table as it is; no other token is stored twice.
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(new Set(tokens.map(ivOf)).size).toBe(tokens.length);
  });
});
