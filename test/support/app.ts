import { Writable } from 'node:stream';
import { pino } from 'pino';
import { type App, createApp } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config/config.ts';
import { generateRootKey, type RootKeySource, type RootKeys, rootKeySource } from '../../src/config/root-keys.ts';
import { databaseNow } from '../../src/db/checks.ts';
import type { Database } from '../../src/db/database.ts';
import type { ResolveName } from '../../src/outbound/index.ts';
import { settableClock } from './clock.ts';
import { freshDatabase, type TestDatabase } from './database.ts';
import { type Answer, type RequestOptions, send } from './http.ts';

export const adminPassword = 'the first admin password';

/** A host to which webhooks may be sent, and where nothing listens. */
export const deafHost = '127.0.0.1:9';
export const deafHook = `http://${deafHost}/hook`;

export interface TestApp {
  readonly app: App;
  readonly url: string;
  readonly database: TestDatabase;
  /** The service's own pool. */
  readonly db: Database;
  readonly clock: ReturnType<typeof settableClock>;
  readonly config: Config;
  readonly rootKeys: RootKeySource;
  /** Everything that was logged. */
  readonly logged: () => string;
  /** Sends a request to `/api/v1` + path. */
  call(method: string, path: string, options?: RequestOptions): Promise<Answer<any>>;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly env?: Parameters<typeof readConfig>[0];
  readonly clock?: ReturnType<typeof settableClock>;
  readonly database?: TestDatabase;
  readonly rootKey?: string;
  /** In place of `rootKey`: keys that can change while the service runs. */
  readonly rootKeys?: RootKeySource;
  /** True where the database's clock, as far as things become due by it, is the test's too. */
  readonly movesDatabaseClock?: boolean;
  /** How much time has really passed, where the test’s clock is set otherwise. */
  readonly elapsedMs?: () => number;
  /** In place of the system's resolver, for what webhooks are sent to. */
  readonly resolveName?: ResolveName;
}

export const newRootKey = generateRootKey;

/** These root keys as they are configured, the primary first. */
export const rootKeysOf = (...keys: string[]): RootKeys => {
  const found = rootKeySource({ KEYHOLD_ROOT_KEYS: keys.join(',') }, '/nonexistent').read();
  if (found === null) throw new Error('there are no root keys');
  return found;
};

/** The whole service in this process, on a database of its own, over a real socket. */
export const startApp = async (options: StartOptions = {}): Promise<TestApp> => {
  const database = options.database ?? (await freshDatabase());
  const clock = options.clock ?? settableClock();
  const env = {
    KEYHOLD_PORT: '0',
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_ROOT_KEYS: options.rootKey ?? newRootKey(),
    KEYHOLD_RATE_LIMIT: '1000000',
    KEYHOLD_WEBHOOK_ALLOWED_HOSTS: deafHost,
    ...options.env,
  };
  const config = readConfig(env);
  const rootKeys = options.rootKeys ?? rootKeySource(env, '/nonexistent');
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  const db = database.open(config.database.connections);
  const sweepClocks = {
    databaseNow: options.movesDatabaseClock ? async () => clock.now() : databaseNow,
    // The test's clock is set, and no machine tells otherwise.
    elapsedMs: options.elapsedMs ?? (() => clock.now().getTime()),
  };
  const logger = pino({ level: 'debug' }, sink);
  const resolving = options.resolveName === undefined ? {} : { resolveName: options.resolveName };
  const app = await createApp({ config, rootKeys, clock, database: db, logger, sweepClocks, ...resolving });
  await app.bootstrap();
  const url = await app.listen();
  return {
    app,
    url,
    database,
    db,
    clock,
    config,
    rootKeys,
    logged: () => lines.join(''),
    call: (method, path, request) => send(url, method, `/api/v1${path}`, request),
    close: async () => {
      await app.close();
      await db.close();
      if (options.database === undefined) await database.drop();
    },
  };
};
