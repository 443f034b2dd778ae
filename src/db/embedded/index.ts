import { findBinaries } from './binaries.ts';
import { hasCluster, makeCluster } from './cluster.ts';
import {
  type ConnectionSettings,
  type DatabaseRole,
  databaseName,
  type Log,
  port,
  roleNames,
} from './connection-settings.ts';
import { type DatabaseSecret, makeSecret, passwordOf, readSecret } from './database-password.ts';
import { explainFileErrors, unavailable } from './failure.ts';
import { type Layout, layoutOf, makeDatabaseDir, makeDataDir, ownerOf } from './layout.ts';
import { removeLeftovers } from './leftovers.ts';
import { probe } from './probe.ts';
import { setUpRoles } from './roles.ts';
import { type ServerOptions, startServer, stopServer } from './server-process.ts';
import { makeSocketDirectory, socketDirectory } from './socket.ts';
import { supervise } from './supervise.ts';
import { databaseUser, isRoot } from './system-user.ts';

export type { ConnectionSettings, DatabaseRole } from './connection-settings.ts';

/** The PostgreSQL server that comes with Keyhold. */
export interface EmbeddedServer {
  /** How to connect to the database `keyhold` as one of its roles. */
  connection(role: DatabaseRole): ConnectionSettings;
  /**
   * Resolves when the server answers, and starts it again if it died. Concurrent calls share one attempt. Rejects with one
   * sentence if it cannot be started, and after `stop`. A server that was only joined is never started: if it is gone,
   * this rejects.
   */
  ensureRunning(): Promise<void>;
  /**
   * Stops the server within about 4 s. Calling it again does nothing. It would also stop a server that another service
   * uses, so the caller must hold the service lock of the data directory. A server that was only joined keeps running.
   */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** Called once the server has been told to start, which takes a while and needs nothing of this process. */
  readonly whileStarting?: () => void;
}

/**
 * Starts the embedded server in `dataDir` and creates what is missing there, or adopts a server that an earlier service
 * left running. The caller must see to it that one service at a time uses the directory (see `stop`). Rejects with one
 * sentence that says what to do if the platform has no binaries, the directory cannot be used or the disk is full.
 */
export const startEmbedded = async ({
  dataDir,
  log,
  whileStarting = () => undefined,
}: EmbeddedOptions): Promise<EmbeddedServer> => {
  const layout = layoutOf(dataDir);
  await makeDataDir(layout, isRoot());
  const as = await databaseUser(await ownerOf(layout.pg));
  await makeDatabaseDir(layout, as);
  await explainFileErrors(layout.dataDir, () => removeLeftovers(layout.dataDir, null));
  await explainFileErrors(layout.pg, () => removeLeftovers(layout.pg, as));
  const secret = await secretFor(layout);
  const native = await findBinaries(layout, as);
  if (!(await hasCluster(layout))) {
    log('Creating the embedded database.', { directory: layout.cluster });
    await makeCluster({ layout, native, as, secret });
  }
  await makeSocketDirectory(layout, secret, as);
  const connection = connectionsTo(layout, secret);
  const options: ServerOptions = { layout, native, as, superuser: connection('superuser'), log, whileStarting };
  const server = supervise({
    start: (signal) => startServer(options, signal),
    stop: () => stopServer(options),
  });
  const adopted = (await probe(options.superuser)) === 'ready';
  await server.ensureRunning();
  try {
    await setUpRoles(options.superuser, secret);
  } catch (error) {
    if (!adopted) await server.stop();
    throw error;
  }
  return { connection, ...server };
};

/**
 * Connects to the server that a service runs in `dataDir`, and changes nothing. Its `stop` leaves the server running.
 * Resolves to null if none runs. Rejects if this user may not connect, or if the server does not answer within 10 s.
 */
export const joinEmbedded = async ({ dataDir }: EmbeddedOptions): Promise<EmbeddedServer | null> => {
  const layout = layoutOf(dataDir);
  const secret = await readSecret(layout.passwordFile);
  if (secret === null) return null;
  const connection = connectionsTo(layout, secret);
  const isRunning = (): Promise<boolean> => answers(connection('superuser'));
  if (!(await isRunning())) return null;
  return {
    connection,
    ensureRunning: async () => {
      if (!(await isRunning())) throw unavailable('The embedded database no longer runs. Start Keyhold again.');
    },
    stop: () => Promise.resolve(),
  };
};

const joinTimeoutMs = 10_000;

const answers = async (superuser: ConnectionSettings): Promise<boolean> => {
  const startedAt = performance.now();
  for (;;) {
    const answer = await probe(superuser);
    if (answer !== 'busy') return answer === 'ready';
    if (performance.now() - startedAt > joinTimeoutMs)
      throw unavailable('The embedded database does not answer. Try again.');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

// If data exists, a new secret would lock everybody out of it.
const secretFor = async (layout: Layout): Promise<DatabaseSecret> => {
  const secret = await readSecret(layout.passwordFile);
  if (secret !== null) return secret;
  if (!(await explainFileErrors(layout.cluster, () => hasCluster(layout)))) return makeSecret(layout.passwordFile);
  throw unavailable(`${layout.passwordFile} is missing while the database exists. Restore it from a backup.`);
};

const connectionsTo =
  (layout: Layout, secret: DatabaseSecret) =>
  (role: DatabaseRole): ConnectionSettings => ({
    host: socketDirectory(layout, secret),
    port,
    user: roleNames[role],
    password: passwordOf(secret, roleNames[role]),
    database: databaseName,
  });
