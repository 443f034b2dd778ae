import { constants } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Native } from './binaries.ts';
import { errorCode, explainFileErrors } from './failure.ts';
import type { Layout } from './layout.ts';
import { type Outcome, type RunAs, run } from './run.ts';
import { postgresArguments } from './server-settings.ts';

export interface PgCtlOptions {
  readonly layout: Layout;
  readonly native: Native;
  readonly as: RunAs;
}

const maxLogBytes = 1_048_576;

/** Starts the server. Resolves to null when it answers, else to what was written to its log meanwhile. */
export const startOnce = (
  options: PgCtlOptions,
  socketDirectory: string,
  whileStarting: () => void,
): Promise<string | null> =>
  explainFileErrors(options.layout.log, async () => {
    await using log = await openLog(options);
    const logStart = (await log.stat()).size;
    const args = ['start', '-s', '-w', '-t', '5', '-p', './postgres', '-o', postgresArguments(socketDirectory)];
    const starting = pgCtl(options, args, log.fd);
    whileStarting();
    if ((await starting).ok) return null;
    return readFrom(log, logStart);
  });

/** Stops the server: `fast` ends its connections, `immediate` is a crash that the next start recovers from. */
export const stopOnce = (options: PgCtlOptions, mode: 'fast' | 'immediate', maxSeconds: number): Promise<Outcome> =>
  pgCtl(options, ['stop', '-s', '-m', mode, '-w', '-t', String(maxSeconds)]);

const openLog = async ({ layout, as }: PgCtlOptions): Promise<FileHandle> => {
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

const readFrom = async (log: FileHandle, position: number): Promise<string> => {
  const buffer = Buffer.alloc(16_384);
  const { bytesRead } = await log.read(buffer, 0, buffer.length, position);
  return buffer.toString('utf8', 0, bytesRead);
};

// By PGDATA and a relative path, since pg_ctl puts the directory and the program between double quotes in a shell command.
const pgCtl = ({ layout, native, as }: PgCtlOptions, args: readonly string[], outputTo?: number): Promise<Outcome> =>
  run('./pg_ctl', args, {
    as,
    cwd: join(native, 'bin'),
    environment: { PGDATA: layout.cluster },
    ...(outputTo === undefined ? {} : { outputTo }),
  });
