import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import pg from 'pg';
import { type Database, openDatabase } from '../src/db/database.ts';
import { type EmbeddedServer, joinEmbedded } from '../src/db/embedded/index.ts';
import { type Running, startServer } from './processes.ts';

const adminPassword = 'the password of this bench';

export interface World extends AsyncDisposable {
  readonly service: Running;
  readonly env: Readonly<Record<string, string>>;
  /** A connection of the role that owns the tables, to the same server by the same driver. */
  connect(): Promise<pg.Client>;
  /** The answer of the service, which is the caller's to know; throws unless it is a success. */
  call<T>(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<T>;
  /** A pool as the service has it, for what is done beside it. */
  open(): Promise<Database>;
  /** The address of the same database for a second service. */
  url(): Promise<string>;
  /** Stops the service and starts it again on the same data; for what a start costs. */
  restart(): Promise<Running>;
}

/** The service as a person starts it: a process of its own with an embedded PostgreSQL, nothing of its durability changed. */
export const startWorld = async (more: Readonly<Record<string, string>> = {}): Promise<World> => {
  const directory = await mkdtemp(joinPath(tmpdir(), 'keyhold-bench-'));
  // Started as root, the database runs as another user, who has to pass here.
  await chmod(directory, 0o711);
  const env = {
    KEYHOLD_DATA_DIR: joinPath(directory, 'data'),
    KEYHOLD_ROOT_KEYS: `${randomBytes(32).toString('base64url')}=`,
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_RATE_LIMIT: '1000000',
    KEYHOLD_LOG_LEVEL: 'warn',
    KEYHOLD_PORT: '0',
    ...more,
  };
  const start = (): Promise<Running> => startServer(['src/main.ts', 'serve'], /^Keyhold serves (\S+)/, env);
  const join = async (): Promise<EmbeddedServer> => {
    const joined = await joinEmbedded({ dataDir: env.KEYHOLD_DATA_DIR, log: () => undefined });
    if (joined === null) throw new Error('the embedded database does not run');
    return joined;
  };
  let service = await start();
  return {
    env,
    get service() {
      return service;
    },
    connect: async () => {
      const joined = await join();
      const { password, ...settings } = joined.connection('superuser');
      const client = new pg.Client({ ...settings, password: password.expose(), ssl: false });
      await client.connect();
      return client;
    },
    open: async () => {
      const joined = await join();
      const { password, ...settings } = joined.connection('service');
      const connection = { ...settings, password: password.expose(), ssl: false };
      return openDatabase({ connection, size: 4, onIdleError: () => undefined });
    },
    url: async () => {
      const joined = await join();
      const { user, password, host, port, database } = joined.connection('migrator');
      const login = `${user}:${encodeURIComponent(password.expose())}`;
      return `postgres://${login}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
    },
    call: async (method, path, { token, body } = {}) => {
      const response = await fetch(`${service.url}/api/v1${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}`);
      return answer === '' ? undefined : JSON.parse(answer);
    },
    restart: async () => {
      await service[Symbol.asyncDispose]();
      service = await start();
      return service;
    },
    [Symbol.asyncDispose]: async () => {
      await service[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

interface Login {
  readonly access_token: string;
  readonly user: { readonly id: string };
}

/** A token of the administrator. */
export const adminToken = async (world: World): Promise<string> => {
  const body = { username: 'admin', password: adminPassword };
  return (await world.call<Login>('POST', '/auth/login', { body })).access_token;
};

/** A person with a token that lasts as long as the bench, and `count` secrets of 32 bytes. */
export const person = async (world: World, username: string, count: number) => {
  const password = `the password of ${username}`;
  await world.call('POST', '/users', { token: await adminToken(world), body: { username, password } });
  const login = await world.call<Login>('POST', '/auth/login', { body: { username, password } });
  const made = await world.call<{ token: string }>('POST', '/auth/tokens', {
    token: login.access_token,
    body: {
      name: 'bench',
      permissions: ['secrets:list', 'secrets:reveal', 'secrets:write', 'secrets:share', 'secrets:own'],
      expires_in: 86_400,
    },
  });
  const items = Array.from({ length: count }, (_, at) => ({
    name: `SECRET_${at}`,
    type: 'api_key',
    value: randomBytes(16).toString('hex'),
    tags: [`tag${at % 7}`],
  }));
  const imported = await world.call<{ items: { id: string }[] }>('POST', '/secrets/import', {
    token: login.access_token,
    body: { items, on_conflict: 'fail' },
  });
  return {
    id: login.user.id,
    token: made.token,
    ids: imported.items.map(({ id }) => id),
    values: items.map(({ value }) => value),
  };
};
