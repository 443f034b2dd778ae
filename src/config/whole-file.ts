import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KeyholdError } from '../core/errors.ts';

const flush = (path: string): void => {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** Writes text to a new file that only its owner can read, and flushes it. Leaves no file behind when that fails. */
const writeDraft = (path: string, text: string): string => {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  const handle = openSync(draft, 'wx', 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
    fsyncSync(handle);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  return draft;
};

/** Creates a file with mode 0600. A power cut leaves either no file or a whole one. Returns false if there is one already. */
export const createWhole = (path: string, text: string): boolean => {
  // Only the last directory is private: the database's user may have to pass those above it.
  mkdirSync(dirname(dirname(path)), { recursive: true });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = writeDraft(path, text);
  try {
    linkSync(draft, path);
    flush(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
};

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'it is on a read-only file system',
  EBUSY: 'it is mounted as a single file, which cannot be replaced',
  EACCES: 'the service may not write to its directory',
  EPERM: 'the service may not write to its directory',
};

const notReplaced = (path: string, error: unknown): KeyholdError => {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return new KeyholdError(
    'state_conflict',
    `${path} was not changed: ${reasons[code] ?? `writing failed (${code})`}.`,
    {
      cause: error,
    },
  );
};

/**
 * Replaces a file's content and keeps its owner and mode. A power cut leaves the old or the new content, never a part of
 * either. Throws `state_conflict`, with the file unchanged, where that cannot be done.
 */
export const replaceWhole = (path: string, text: string): void => {
  try {
    // A symbolic link stays one: the file that it names is replaced.
    const target = realpathSync(path);
    const { mode, uid, gid } = statSync(target);
    const draft = writeDraft(target, text);
    try {
      chmodSync(draft, mode & 0o777);
      if (process.geteuid?.() === 0) chownSync(draft, uid, gid);
      flush(draft);
      renameSync(draft, target);
    } finally {
      rmSync(draft, { force: true });
    }
    flush(dirname(target));
  } catch (error) {
    throw notReplaced(path, error);
  }
};
