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
import { explained, unavailable } from './failure.ts';
import { type Layout, layoutOf, makeDatabaseDir, makeDataDir, ownerOf } from './layout.ts';
import { removeLeftovers } from './leftovers.ts';
import { probe } from './probe.ts';
import { setUpRoles } from './roles.ts';
import { type ServerOptions, startServer, stopServer } from './server-process.ts';
import { makeSocketDirectory, socketDirectory } from './socket.ts';
import { supervise } from './supervise.ts';
import { databaseUser, isRoot } from './system-user.ts';

export type { ConnectionSettings, DatabaseRole } from './connection-settings.ts';

/** The PostgreSQL server that Keyhold brings along. */
export interface EmbeddedServer {
  /** How to reach the database `keyhold` as one of its roles. */
  connection(role: DatabaseRole): ConnectionSettings;
  /**
   * Resolves when the server answers, after starting it again if it died. Calls at the same time share one
   * attempt. Rejects with one sentence if it cannot be started, and after `stop`. A server that was only
   * joined is not started: for that it rejects if the server is gone.
   */
  ensureRunning(): Promise<void>;
  /**
   * Stops the server within about 4 s; calling it again changes nothing. It also ends a server that another
   * service uses, so call it only while holding the lock by which one service owns the data directory. A server
   * that was only joined is left running.
   */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** Called when the server has been told to start: what it does for the next moment needs nothing of this process. */
  readonly whileStarting?: () => void;
}

/**
 * Starts the embedded server in `dataDir`, making what is missing there, or adopts the one that an earlier
 * service left running. The caller keeps two services off one directory (`stop` says how). Rejects with one
 * sentence that says what to do: no binaries for this platform, a directory that cannot be used, a full disk.
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
  await explained(layout.dataDir, () => removeLeftovers(layout.dataDir, null));
  await explained(layout.pg, () => removeLeftovers(layout.pg, as));
  const secret = await secretFor(layout);
  const native = await findBinaries(layout, as);
  if (!(await hasCluster(layout))) {
    log('The database is made for the first time.', { directory: layout.cluster });
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
 * Joins the server that a service runs in `dataDir`, or resolves to null if none runs; changes nothing. Its
 * `stop` leaves the server running. Rejects if the server lets this user not in, or does not answer in 10 s.
 */
export const joinEmbedded = async ({ dataDir }: EmbeddedOptions): Promise<EmbeddedServer | null> => {
  const layout = layoutOf(dataDir);
  const secret = await readSecret(layout.passwordFile);
  if (secret === null) return null;
  const connection = connectionsTo(layout, secret);
  const isThere = (): Promise<boolean> => answers(connection('superuser'));
  if (!(await isThere())) return null;
  return {
    connection,
    ensureRunning: async () => {
      if (!(await isThere())) throw unavailable('The embedded database no longer runs. Start Keyhold again.');
    },
    stop: () => Promise.resolve(),
  };
};

const joinPatienceMs = 10_000;

const answers = async (superuser: ConnectionSettings): Promise<boolean> => {
  const begun = Date.now();
  for (;;) {
    const answer = await probe(superuser);
    if (answer !== 'busy') return answer === 'ready';
    if (Date.now() - begun > joinPatienceMs) throw unavailable('The embedded database does not answer. Try again.');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

// A new secret would lock everybody out of data that exists.
const secretFor = async (layout: Layout): Promise<DatabaseSecret> => {
  const secret = await readSecret(layout.passwordFile);
  if (secret !== null) return secret;
  if (!(await explained(layout.cluster, () => hasCluster(layout)))) return makeSecret(layout.passwordFile);
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
