import { constants } from 'node:fs';
import { type FileHandle, open, rename, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Native } from './binaries.ts';
import { type ConnectionSettings, type Log, port } from './connection-settings.ts';
import { errorCode, explained, explainOutput } from './failure.ts';
import type { Layout } from './layout.ts';
import { endOrphans, livePostmaster, removeStaleLocks } from './postmaster.ts';
import { type Answer, probe } from './probe.ts';
import { type RunAs, run } from './run.ts';

export interface ServerOptions {
  readonly layout: Layout;
  readonly native: Native;
  readonly as: RunAs;
  readonly superuser: ConnectionSettings;
  readonly log: Log;
  readonly whileStarting: () => void;
}

const maxLogBytes = 1_048_576;
const pauseMs = 50;
const patienceMs = 120_000;
const orphansEndAfterMs = 500;
const unreachableAfterMs = 10_000;

// Given at every start, and stronger than anything a file of the cluster says.
const settings = (socketDirectory: string): Record<string, string> => ({
  listen_addresses: '',
  unix_socket_directories: `"${socketDirectory.replaceAll('"', '""')}"`,
  unix_socket_permissions: '0700',
  port: String(port),
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'off',
  log_destination: 'stderr',
  // Above errors of statements, which may quote what they were given; the service hears of those itself.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_statement: 'none',
  log_duration: 'off',
  log_min_duration_statement: '-1',
  log_min_duration_sample: '-1',
  log_autovacuum_min_duration: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
  log_connections: '',
  log_disconnections: 'off',
});

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const postgresArguments = (socketDirectory: string): string =>
  Object.entries(settings(socketDirectory))
    .map(([name, value]) => `-c ${quote(`${name}=${value}`)}`)
    .join(' ');

/** Resolves when the server answers queries; starts it if it doesn't run. `signal` gives up between two tries. */
export const startServer = async (options: ServerOptions, signal: AbortSignal): Promise<void> => {
  const begun = Date.now();
  for (;;) {
    signal.throwIfAborted();
    const answer = await probe(options.superuser);
    if (answer === 'ready') return;
    const started = await advanceStartup(options, answer, Date.now() - begun);
    if (!started) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
};

/** Resolves to true if the server says that it has started. */
const advanceStartup = async (options: ServerOptions, answer: Answer, waitedMs: number): Promise<boolean> => {
  if (waitedMs > patienceMs) throw explainOutput('Starting the database', 'It does not answer.', options.layout.pg);
  if (answer === 'busy') return false;
  const { layout, as, log } = options;
  if ((await livePostmaster(layout.cluster, as)) === null) return await tryToStart(options, waitedMs);
  if (waitedMs > unreachableAfterMs) {
    log('The embedded database runs but cannot be reached; it is started anew.');
    await pgCtl(options, ['stop', '-m', 'immediate', '-w', '-t', '5']);
  }
  return false;
};

const tryToStart = async (options: ServerOptions, waitedMs: number): Promise<boolean> => {
  const { layout, as, superuser, log } = options;
  await removeStaleLocks(layout.cluster, join(superuser.host, `.s.PGSQL.${port}.lock`), as);
  const complaint = await start(options);
  if (complaint === null) return true;
  if (/pre-existing shared memory block/.test(complaint)) {
    if (waitedMs > orphansEndAfterMs) await endOrphans(layout.cluster, as);
    return false;
  }
  // Another Keyhold started it in the same moment.
  if (/lock file ".*" already exists/.test(complaint)) return false;
  if (complaint === '' && (await isFull(layout.pg))) {
    throw explainOutput('Starting the database', 'No space left on device', layout.pg);
  }
  log('The embedded database did not start.', { log: layout.log });
  throw explainOutput('Starting the database', complaint, layout.pg);
};

// A full disk takes no complaint either.
const isFull = async (path: string): Promise<boolean> => {
  const { bavail, ffree, files } = await statfs(path);
  return bavail === 0 || (files > 0 && ffree === 0);
};

/** Null if the server started or is about to, else what its log says. */
const start = (options: ServerOptions): Promise<string | null> =>
  explained(options.layout.log, async () => {
    await using log = await openLog(options);
    const begin = (await log.stat()).size;
    const args = ['start', '-s', '-w', '-t', '5', '-p', './postgres', '-o', postgresArguments(options.superuser.host)];
    const starting = pgCtl(options, args, log.fd);
    options.whileStarting();
    if ((await starting).ok) return null;
    return readFrom(log, begin);
  });

const openLog = async ({ layout, as }: ServerOptions): Promise<FileHandle> => {
  if ((await sizeOf(layout.log)) > maxLogBytes) await rename(layout.log, `${layout.log}.1`);
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const log = await open(layout.log, flags, 0o600);
  if (as !== null) await log.chown(as.uid, as.gid);
  return log;
};

const sizeOf = async (path: string): Promise<number> => {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
};

const readFrom = async (log: FileHandle, begin: number): Promise<string> => {
  const buffer = Buffer.alloc(16_384);
  const { bytesRead } = await log.read(buffer, 0, buffer.length, begin);
  return buffer.toString('utf8', 0, bytesRead);
};

// The directory and the program's name go past the shell in which pg_ctl puts both between double quotes.
const pgCtl = ({ layout, native, as }: ServerOptions, args: readonly string[], outputTo?: number) =>
  run('./pg_ctl', args, {
    as,
    cwd: join(native, 'bin'),
    environment: { PGDATA: layout.cluster },
    ...(outputTo === undefined ? {} : { outputTo }),
  });

/** Stops the server within about 4 s, at the price of a recovery at the next start if it takes longer. */
export const stopServer = async (options: ServerOptions): Promise<void> => {
  const { layout, as, log } = options;
  if ((await livePostmaster(layout.cluster, as)) === null) return;
  if ((await pgCtl(options, ['stop', '-s', '-m', 'fast', '-w', '-t', '3'])).ok) return;
  if ((await livePostmaster(layout.cluster, as)) === null) return;
  log('The embedded database did not stop in time; it is stopped at once and recovers at the next start.');
  await pgCtl(options, ['stop', '-s', '-m', 'immediate', '-w', '-t', '1']);
};
