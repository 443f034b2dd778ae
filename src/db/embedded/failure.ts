import { KeyholdError } from '../../core/errors.ts';

export const unavailable = (sentence: string, cause?: unknown): KeyholdError =>
  new KeyholdError('unavailable', sentence, { cause });

export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const remedies: Record<string, string> = {
  ENOSPC: 'the disk is full. Make room and start again.',
  EDQUOT: 'the disk quota is used up. Make room and start again.',
  EROFS: 'the file system is read-only. Set KEYHOLD_DATA_DIR to a directory that can be written.',
  EACCES: 'permission denied. Give the directory to the user that runs Keyhold, or set KEYHOLD_DATA_DIR to another.',
  EPERM: 'permission denied. Give the directory to the user that runs Keyhold, or set KEYHOLD_DATA_DIR to another.',
  ENOMEM:
    'the system grants too little shared memory. Raise its limits (kernel.shmmni and kernel.shmall; in a container the ' +
    'size of /dev/shm) and start again.',
  ENOTDIR: 'a part of this path is not a directory. Set KEYHOLD_DATA_DIR to a directory.',
};

const complaints: readonly (readonly [RegExp, string])[] = [
  // First, since the system reports this as "No space left on device" too.
  [/could not .*(shared memory|semaphores).*: (no space left on device|cannot allocate memory)/i, 'ENOMEM'],
  [/no space left on device/i, 'ENOSPC'],
  [/disk quota exceeded/i, 'EDQUOT'],
  [/read-only file system/i, 'EROFS'],
  [/permission denied/i, 'EACCES'],
];

/** Turns a file error into a sentence that says what to do. Any other error stays as it is. */
const explainFileError = (error: unknown, path: string): unknown => {
  const remedy = remedies[errorCode(error) ?? ''];
  return remedy === undefined ? error : unavailable(`${path} cannot be used: ${remedy}`, error);
};

/** Why a PostgreSQL program failed, by what it printed. `path` is what it was working on. */
export const explainOutput = (what: string, output: string, path: string): KeyholdError => {
  const known = complaints.find(([pattern]) => pattern.test(output));
  const remedy = known === undefined ? undefined : remedies[known[1]];
  if (remedy !== undefined) return unavailable(`${what} failed: ${path} cannot be used: ${remedy}`);
  return unavailable(`${what} failed: ${lastComplaint(output)}`);
};

const lastComplaint = (output: string): string => {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !givesNoReason(line));
  const complaint = lines.findLast((line) => /fatal|panic|error/i.test(line)) ?? lines.at(-1);
  return complaint?.trim() ?? 'it gave no reason.';
};

// Answers to clients that tried to connect meanwhile, and lines of pg_ctl that only point to the log.
const givesNoReason = (line: string): boolean =>
  /the database system is (starting up|shutting down|in recovery mode|not (yet )?accepting connections)/.test(line) ||
  /^pg_ctl: (another server might be running|could not start server)|^Examine the log output/.test(line);

/** Runs `work`, and turns a file error in it into a sentence about `path`. */
export const explainFileErrors = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw explainFileError(error, path);
  }
};
