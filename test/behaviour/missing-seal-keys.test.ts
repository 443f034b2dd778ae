import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRootKey, startApp, type TestApp } from '../support/app.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { expectStatus, keepSecret, logInAdmin, people } from '../support/people.ts';

describe('a database whose seal keys are missing', () => {
  let database: TestDatabase;
  const rootKey = newRootKey();
  const start = (): Promise<TestApp> => startApp({ database, rootKey });
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  const contents = async (): Promise<unknown> =>
    (
      await database.client.query(
        'select (select json_agg(k) from service_keys k) as keys, (select json_agg(u order by u.id) from users u) as users',
      )
    ).rows[0];

  it('the service refuses to start when service_keys was emptied, and starts again once it is restored', async () => {
    const first = await start();
    const { ada } = await people(first, await logInAdmin(first), 'ada');
    const secret = await keepSecret(ada, { value: 'kept' });
    await first.close();
    const { rows: keys } = await database.client.query('select * from service_keys');
    await database.client.query('delete from service_keys');
    const before = await contents();

    await expect(start()).rejects.toThrow('The seal keys are missing from the database although it holds users.');
    await expect(start()).rejects.toThrow('Restore table service_keys');
    expect(await contents(), 'no new seal key was made').toEqual(before);

    for (const { id, root_key_id, purpose, wrapped_key, created_at } of keys)
      await database.client.query(
        'insert into service_keys (id, root_key_id, purpose, wrapped_key, created_at) values ($1, $2, $3, $4, $5)',
        [id, root_key_id, purpose, wrapped_key, created_at],
      );
    const again = await start();
    const value = await again.call('GET', `/secrets/${secret.id}/value`, { token: ada.token });
    expect(expectStatus(value, 200).body.value).toBe('kept');
    await again.close();
  });

  it('the service makes its first seal key by itself in a database without users', async () => {
    const empty = await freshDatabase();
    const app = await startApp({ database: empty, rootKey: newRootKey() });
    const { rows } = await empty.client.query(`select count(*)::int as n from service_keys where purpose = 'seal'`);
    expect(rows[0].n).toBe(1);
    await app.close();
    await empty.drop();
  });
});
