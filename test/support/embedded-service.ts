import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { type DatabaseRole, joinEmbedded } from '../../src/db/embedded/index.ts';
import { adminPassword } from './app.ts';
import { type Answer, type RequestOptions, send } from './http.ts';
import { type ServiceProcess, startService } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

/** A service process with an embedded database of its own. A test may kill it and start it again. */
export interface EmbeddedService extends AsyncDisposable {
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** The same after every start. */
  readonly url: string;
  process(): ServiceProcess;
  /** Starts the service again on the same port, after it has ended. */
  restart(): Promise<ServiceProcess>;
  call(method: string, path: string, options?: RequestOptions): Promise<Answer<any>>;
  /** The status of /readyz, or 0 without an answer. */
  readiness(): Promise<number>;
  postmaster(): Promise<number>;
  /** A new connection, of the superuser unless another role is given. The caller ends it. */
  connect(role?: DatabaseRole): Promise<pg.Client>;
}

/** A new connection to the embedded server that some service runs in `dataDir`. */
export const connectEmbedded = async (dataDir: string, role: DatabaseRole = 'superuser'): Promise<pg.Client> => {
  const joined = await joinEmbedded({ dataDir, log: () => undefined });
  if (joined === null) throw new Error('the embedded database does not run');
  const { password, ...settings } = joined.connection(role);
  const client = new pg.Client({ ...settings, password: password.expose(), ssl: false });
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

const postmasterOf = async (dataDir: string): Promise<number> =>
  Number.parseInt(await readFile(join(dataDir, 'pg', 'data', 'postmaster.pid'), 'utf8').catch(() => '0'), 10);

export interface EmbeddedServiceOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** The directory for all files; a temporary one by default. */
  readonly directory?: string;
}

export const startEmbeddedService = async (options: EmbeddedServiceOptions = {}): Promise<EmbeddedService> => {
  const temporary = await makeTempDir();
  const directory = options.directory ?? temporary.path;
  const dataDir = join(directory, 'data');
  const env: Record<string, string> = {
    KEYHOLD_DATA_DIR: dataDir,
    KEYHOLD_CONFIG_DIR: join(temporary.path, 'config'),
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_RATE_LIMIT: '100000',
    ...options.env,
  };
  let current = await startService({ env, withinMs: 120_000 });
  const { url } = current;
  const restart = async (): Promise<ServiceProcess> => {
    current = await startService({ env: { ...env, KEYHOLD_PORT: new URL(url).port }, withinMs: 60_000 });
    return current;
  };
  return {
    dataDir,
    env,
    url,
    process: () => current,
    restart,
    call: (method, path, request) => send(url, method, `/api/v1${path}`, request),
    readiness: () =>
      send(url, 'GET', '/readyz').then(
        (answer) => answer.status,
        () => 0,
      ),
    postmaster: () => postmasterOf(dataDir),
    connect: (role) => connectEmbedded(dataDir, role),
    [Symbol.asyncDispose]: async () => {
      // A killed service leaves its database running. The next start adopts it, and stops both in order.
      const ended = await Promise.race([current.exited, Promise.resolve(null)]);
      if (ended !== null && (await postmasterOf(dataDir)) > 0) await restart();
      await current.stop();
      await temporary[Symbol.asyncDispose]();
    },
  };
};
