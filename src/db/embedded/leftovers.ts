import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './failure.ts';
import { type RunAs, run } from './run.ts';

const marker = '.new-';
const abandonedAfterMs = 10 * 60_000;

// In a container every start may have the same pid, so the pid alone does not identify the process.
const self = `${process.pid}-${randomBytes(4).toString('hex')}-`;

/** A name for a file or directory that is not complete yet. It tells later starts which process is making it. */
export const draftName = (name: string): string => `${name}${marker}${self}${randomBytes(4).toString('hex')}`;

/**
 * Removes incomplete files and directories of earlier starts from `directory`: those of processes that are gone, and
 * those older than ten minutes. What another running start is making stays.
 */
export const removeLeftovers = async (directory: string, as: RunAs): Promise<void> => {
  const names = (await readdir(directory)).filter((name) => name.includes(marker));
  for (const name of names) {
    const path = join(directory, name);
    if (await isAbandoned(path)) await removeTree(path, as);
  }
};

const isAbandoned = async (path: string): Promise<boolean> => {
  const draft = path.slice(path.lastIndexOf(marker) + marker.length);
  if (draft.startsWith(self)) return false;
  const pid = Number.parseInt(draft, 10);
  if (pid === process.pid || !isAlive(pid)) return true;
  try {
    return Date.now() - (await stat(path)).mtimeMs > abandonedAfterMs;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
};

const isAlive = (pid: number): boolean => {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
};

/** Removes a directory of the database's user, as that user: as root, a symlink of theirs could lead elsewhere. */
export const removeTree = async (path: string, as: RunAs): Promise<void> => {
  // The initdb of a start that was killed may still be writing there until it notices that its files are gone.
  for (let attempt = 0; attempt < 5; attempt++) {
    if ((await run('rm', ['-rf', '--', path], { as })).ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
