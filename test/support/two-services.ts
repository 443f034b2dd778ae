import { afterAll, beforeAll } from 'vitest';
import { newRootKey, startApp, type TestApp } from './app.ts';
import { settableClock } from './clock.ts';
import { freshDatabase, type TestDatabase } from './database.ts';
import { expectStatus, logIn, logInAdmin, type Person, password, uniqueName } from './people.ts';

/** Two services on one database, for what happens in both at the same time. */
export interface TwoServices {
  readonly database: TestDatabase;
  readonly apps: readonly [TestApp, TestApp];
  readonly root: Person;
  newUser(name: string): Promise<Person>;
  sql(text: string, values?: readonly unknown[]): Promise<any[]>;
}

/** Starts two services for the tests of a file. */
export const useTwoServices = (): TwoServices => {
  const two = {} as { -readonly [Name in keyof TwoServices]: TwoServices[Name] };
  two.sql = async (text, values = []) => (await two.database.client.query(text, [...values])).rows;
  two.newUser = async (name) => {
    const body = { username: uniqueName(name), password };
    expectStatus(await two.root.call('POST', '/users', { body }), 201);
    return await logIn(two.apps[0], body.username);
  };
  beforeAll(async () => {
    two.database = await freshDatabase();
    const shared = { database: two.database, clock: settableClock(), rootKey: newRootKey() };
    two.apps = [await startApp(shared), await startApp(shared)];
    two.root = await logInAdmin(two.apps[0]);
  });
  afterAll(async () => {
    await Promise.all(two.apps.map((app) => app.close()));
    await two.database.drop();
  });
  return two;
};
