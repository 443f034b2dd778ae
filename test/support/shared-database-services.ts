import { afterAll, afterEach, beforeAll } from 'vitest';
import { adminPassword, newRootKey } from './app.ts';
import { freshDatabase, type TestDatabase } from './database.ts';
import { send } from './http.ts';
import { type ServiceProcess, startService } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

export type Env = Record<string, string>;

let database: TestDatabase;
let rootKey: string;
beforeAll(async () => {
  database = await freshDatabase();
  rootKey = newRootKey();
});
afterAll(() => database.drop());

/** What a test started, which is ended in reverse order even if the test fails. */
let stack = new AsyncDisposableStack();
afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

/** The database that all services of a test file share. */
export const sharedDatabase = (): TestDatabase => database;

export const sharedRootKey = (): string => rootKey;

/** Runs `work` at the end of the test. */
export const defer = (work: () => void | Promise<void>): void => stack.defer(work);

/** A new directory, which is removed at the end of the test. */
export const newDirectory = async (): Promise<string> => stack.use(await makeTempDir()).path;

/** The settings of a service on the shared database. */
export const settings = (more: Env = {}): Env => ({
  KEYHOLD_PORT: '0',
  KEYHOLD_LOG_LEVEL: 'warn',
  KEYHOLD_DATABASE_URL: database.url('service'),
  KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
  KEYHOLD_ROOT_KEYS: rootKey,
  KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
  ...more,
});

/** Starts a service on the shared database, which is stopped at the end of the test. */
export const start = async (more: Env = {}): Promise<ServiceProcess> => {
  const service = await startService({ env: settings(more) });
  stack.defer(async () => void (await service.stop()));
  return service;
};

/** Sends requests to the API of a service. */
export const onService = ({ url }: { url: string }) => ({
  call: (method: string, path: string, options = {}) => send(url, method, `/api/v1${path}`, options),
});
