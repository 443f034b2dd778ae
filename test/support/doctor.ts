import { afterAll, beforeAll, expect } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type Check, examineDatabase } from '../../src/doctor/index.ts';
import { startApp, type TestApp } from './app.ts';
import { expectStatus, keepSecret, logInAdmin, people } from './people.ts';

/** A service with a secret of two versions, shared by the tests of a file. */
let app: TestApp;
beforeAll(async () => {
  app = await startApp();
  const { ada } = await people(app, await logInAdmin(app), 'ada');
  const secret = await keepSecret(ada);
  expectStatus(await ada.call('PUT', `/secrets/${secret.id}/value`, { body: { value: 'the second value' } }), 200);
});
afterAll(() => app.close());

/** Runs a statement as the superuser: what a hostile or careless change of the database does. */
export const sql = async (text: string, values: unknown[] = []) => (await app.database.client.query(text, values)).rows;

export const examine = async ({ db, config, rootKeys } = app, full = true): Promise<readonly Check[]> => {
  const target = { env: {}, config, rootKeys: rootKeys.read(), clock: systemClock, full };
  const checks: Check[] = [];
  for await (const check of examineDatabase(db, target)) checks.push(check);
  return checks;
};

/** The checks of a database, in their order. */
export const checkNames = [
  'database',
  'clock',
  'migrations',
  'schema',
  'jobs',
  'keys',
  'owner keys',
  'seals',
  'restores',
  'values',
];

/** What the doctor finds, by the name of the check. Every check has run. */
export const findings = async (full = true, of = app): Promise<Record<string, readonly string[]>> => {
  const checks = await examine(of, full);
  expect(checks.map(({ name }) => name)).toEqual(checkNames);
  const some = checks.filter((check) => check.findings.length > 0);
  return Object.fromEntries(some.map((check) => [check.name, check.findings.map(({ what }) => what)]));
};

/** Runs `work` on a database changed by `change`, and undoes the change. The doctor finds nothing before and after that. */
export const whileChanged = async (change: string, undo: string, work: () => Promise<void>): Promise<void> => {
  expect(await findings()).toEqual({});
  await sql(change);
  try {
    await work();
  } finally {
    await sql(undo);
  }
  expect(await findings()).toEqual({});
};

/** Whether a finding is the expected sentence or matches the pattern. */
export const matches = (sentence: string, pattern: string | RegExp): boolean =>
  typeof pattern === 'string' ? sentence === pattern : pattern.test(sentence);
