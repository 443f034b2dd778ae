import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText, usage } from '../failure.ts';

const exists = (path: string): CliFailure =>
  new CliFailure(exitCodes.conflict, `${path} already exists. Pass --force to overwrite it, or choose another name.`);

const asNotWritten = (path: string, cause: unknown): unknown => {
  const reason = systemErrorText(cause);
  if (reason === null) return cause;
  return new CliFailure(exitCodes.notWritten, `${path} could not be written: ${reason}.`, { cause });
};

/** Awaits a file operation. An error of the system becomes a sentence about `path`. */
const onDisk = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    throw asNotWritten(path, cause);
  }
};

/** Refuses a file that exists, before any work is done for it. Throws conflict, or usage for what is no file. */
export const refuseExisting = async (path: string, force: boolean): Promise<void> => {
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!force) throw exists(path);
  if (!found.isFile()) throw usage(`${path} is not a regular file. Choose another name.`);
};

export interface Draft {
  readonly path: string;
  /** Appends bytes. Throws notWritten. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves once everything is on the disk. */
  flush(): Promise<void>;
}

/**
 * Has `work` write a file with mode 0600 next to `path`, which gets this name only once `work` has resolved and everything is
 * on the disk. If it rejects, or a signal ends the process, the draft is removed.
 */
export const withDraft = async <T>(path: string, force: boolean, work: (draft: Draft) => Promise<T>): Promise<T> => {
  const draftPath = `${path}.${randomBytes(4).toString('hex')}.partial`;
  const stopListening = removeOnSignal(draftPath);
  try {
    const file = await onDisk(path, () => open(draftPath, 'wx', 0o600));
    const result = await onFile(file, path, draftPath, work);
    await onDisk(path, () => moveIntoPlace(draftPath, path, force));
    return result;
  } finally {
    await rm(draftPath, { force: true }).catch(() => undefined);
    stopListening();
  }
};

const onFile = async <T>(
  file: FileHandle,
  path: string,
  draftPath: string,
  work: (draft: Draft) => Promise<T>,
): Promise<T> => {
  try {
    return await work({
      path: draftPath,
      write: (bytes) => onDisk(path, () => file.writeFile(bytes)),
      flush: () => onDisk(path, () => file.sync()),
    });
  } finally {
    // A disk may report only here that it is full.
    await onDisk(path, () => file.close());
  }
};

const withoutLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

const moveIntoPlace = async (draftPath: string, path: string, force: boolean): Promise<void> => {
  if (force) await rename(draftPath, path);
  else await linkOrRename(draftPath, path);
  const directory = await open(dirname(path), 'r');
  await directory.sync().finally(() => directory.close());
};

/** Unlike a rename, a link never replaces a file that came up meanwhile. Some file systems have none. */
const linkOrRename = async (draftPath: string, path: string): Promise<void> => {
  try {
    await link(draftPath, path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(path);
    if (!withoutLinks.has(code)) throw error;
    await refuseExisting(path, false);
    await rename(draftPath, path);
  }
};

const removeOnSignal = (draftPath: string): (() => void) => {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const end = (): never => {
    rmSync(draftPath, { force: true });
    return process.exit(exitCodes.interrupted);
  };
  for (const signal of signals) process.once(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
};
