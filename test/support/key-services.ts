import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { parseRootKey } from '../../src/config/root-keys.ts';
import { adminPassword } from './app.ts';
import { freshDatabase } from './database.ts';
import { send } from './http.ts';
import { type Ran, runKeyhold } from './keyhold-process.ts';
import { expectStatus, logInAdmin, type Person } from './people.ts';
import { type ServiceProcess, startService } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

/** The id of a root key by its text. */
export const rootKeyIdOf = (text: string): string => {
  const key = parseRootKey(text);
  if (!key) throw new Error('this is not a root key');
  return key.id;
};

/** A file of root keys, the primary first. */
export const keyFile = (path: string) => ({
  path,
  bytes: (): Buffer => readFileSync(path),
  /** The keys in it, without comments and empty lines. */
  keys: (): string[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  ids(): string[] {
    return this.keys().map(rootKeyIdOf);
  },
  write: (...keys: readonly string[]): void => {
    writeFileSync(path, keys.map((key) => `${key}\n`).join(''));
    chmodSync(path, 0o600);
  },
});

let stack = new AsyncDisposableStack();
afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

/** Runs `work` at the end of the test, before what was deferred earlier. */
export const atEnd = (work: () => unknown): void => stack.defer(async () => void (await work()));

export const callOn = ({ url }: { readonly url: string }) => ({
  call: (method: string, path: string, options = {}) => send(url, method, `/api/v1${path}`, options),
});

/** An administrator at a command line, with a token that lasts longer than the test. */
export interface AtKeys {
  readonly admin: Person;
  readonly env: Readonly<Record<string, string>>;
  /** Runs `keyhold keys …`. */
  keys(...args: readonly string[]): Promise<Ran>;
}

export const administratorOf = async (service: { readonly url: string }): Promise<AtKeys> => {
  const login = await logInAdmin(callOn(service));
  const body = {
    name: 'keys',
    permissions: ['admin', 'secrets:write', 'secrets:reveal', 'secrets:list'],
    expires_in: 86_400,
  };
  const { token } = expectStatus(await login.call('POST', '/auth/tokens', { body }), 201).body;
  const env = { KEYHOLD_CLI_SERVER: service.url, KEYHOLD_CLI_TOKEN: token, KEYHOLD_CLI_KEYRING: 'off' };
  return { admin: login.with(token), env, keys: (...args) => runKeyhold(['keys', ...args], { env }) };
};

/** A database and a directory for services that read their root keys from files. All of it ends with the test. */
export const newPlace = async () => {
  const database = await freshDatabase();
  stack.defer(() => database.drop());
  const { path: directory } = stack.use(await makeTempDir());
  const env: Readonly<Record<string, string>> = {
    KEYHOLD_DATABASE_URL: database.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
    KEYHOLD_CONFIG_DIR: join(directory, 'config'),
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_RATE_LIMIT: '100000',
    KEYHOLD_LOG_LEVEL: 'info',
  };
  const start = async (more: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> => {
    const service = await startService({ env: { ...env, ...more } });
    stack.defer(async () => void (await service.stop()));
    return service;
  };
  return { database, directory, env, start };
};

/** The JSON lines of a command's output. */
export const linesOf = ({ out }: Pick<Ran, 'out'>): any[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
