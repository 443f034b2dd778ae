import { constants } from 'node:fs';
import { link, open, readFile, realpath, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, unavailable } from './failure.ts';
import { draftName } from './leftovers.ts';
import { type RunAs, run } from './run.ts';

/** A lock file of PostgreSQL. */
interface LockFile {
  readonly path: string;
  /** The process that holds the lock; null while the file is empty or holds no pid. */
  readonly pid: number | null;
  /** Changes when the file is written or replaced. */
  readonly version: string;
}

/** The pid of the cluster's running server by its lock file, or null. A pid that another process has by now does not count. */
export const livePostmaster = async (cluster: string, as: RunAs): Promise<number | null> => {
  const pid = (await readLock(join(cluster, 'postmaster.pid')))?.pid ?? null;
  if (pid === null || !(await isServerOf(pid, cluster, as))) return null;
  return pid;
};

/**
 * Removes the lock files that PostgreSQL would not get past by itself: the process that they name exists, but it is another
 * one that got the same pid, or a zombie. Call it only when the cluster has no running server.
 */
export const removeStaleLocks = async (paths: readonly string[], cluster: string, as: RunAs): Promise<void> => {
  for (const path of paths) {
    const lock = await readLock(path);
    if (lock === null || lock.pid === null) continue;
    if (!processExists(lock.pid) || (await isServerOf(lock.pid, cluster, as))) continue;
    await removeUnchanged(lock);
  }
};

/**
 * The first of the lock files that names no process, or null. PostgreSQL creates its lock file empty and writes the pid a
 * moment later, so another start is probably under way; but a crash of the machine can leave such a file behind for ever.
 */
export const findUnfilledLock = async (paths: readonly string[]): Promise<LockFile | null> => {
  for (const path of paths) {
    const lock = await readLock(path);
    if (lock !== null && lock.pid === null) return lock;
  }
  return null;
};

/**
 * Removes a lock file that a crash left unfilled. Call it only when the file has stayed the same for seconds. Leaves it
 * in place if it has changed since it was read, or if a server process of the cluster exists that may still fill it.
 * Without /proc, PostgreSQL's lock on its shared memory alone keeps a second server off the data.
 */
export const removeUnfilledLock = async (lock: LockFile, cluster: string, as: RunAs): Promise<void> => {
  if (!(await hasServerProcesses(cluster, as))) await removeUnchanged(lock);
};

/**
 * Ends the processes of a server whose postmaster died: one that is busy doesn't notice, and PostgreSQL starts no second
 * server next to it. Nothing is lost, for the new server recovers from the log. Call it only when the cluster has no
 * running postmaster. On systems without /proc it waits for them instead.
 */
export const endOrphans = async (cluster: string, as: RunAs): Promise<void> => {
  for (const pid of await serverProcesses(cluster, as)) await run('kill', ['-9', pid], { as });
};

const readLock = async (path: string): Promise<LockFile | null> => {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    // Before the content: a file that is filled in between then has another version.
    const { ino, mtimeNs } = await file.stat({ bigint: true });
    // The socket's lock file names a server that is no service with a minus sign.
    const pid = Math.abs(Number.parseInt(await file.readFile('utf8'), 10));
    return { path, pid: pid > 0 ? pid : null, version: `${ino} ${mtimeNs}` };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    if (errorCode(error) === 'EISDIR' || errorCode(error) === 'ELOOP') {
      throw unavailable(`${path} must be PostgreSQL's lock file and is none. Remove it and start again.`, error);
    }
    throw error;
  }
};

// A server may create its own lock file between the look and the removal: then it gets it back.
const removeUnchanged = async ({ path, version }: LockFile): Promise<void> => {
  const aside = draftName(path);
  try {
    await rename(path, aside);
    if ((await readLock(aside))?.version !== version) await link(aside, path);
    await unlink(aside);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EEXIST') throw error;
  }
};

const processExists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
};

const isServerOf = (pid: number, cluster: string, as: RunAs): Promise<boolean> =>
  process.platform === 'linux' ? isServerInProc(pid, cluster, as) : isServerInPs(pid, as);

const isServerInProc = async (pid: number, cluster: string, as: RunAs): Promise<boolean> => {
  if (await isGone(pid)) return false;
  // Read as the database's user: in a container even root may not look at other users' processes.
  const { ok, output } = await run('readlink', [`/proc/${pid}/cwd`], { as });
  return ok && output.trim() === (await realpath(cluster));
};

const isGone = async (pid: number): Promise<boolean> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return true;
    throw error;
  }
};

const isServerInPs = async (pid: number, as: RunAs): Promise<boolean> => {
  const { ok, output } = await run('ps', ['-o', 'stat=,command=', '-p', String(pid)], { as });
  return ok && !output.trim().startsWith('Z') && output.includes('postgres');
};

const listServerProcesses = `for process in /proc/[0-9]*; do
  [ "$(cat "$process/comm" 2>/dev/null)" = postgres ] || continue
  [ "$(readlink "$process/cwd" 2>/dev/null)" = "$1" ] && echo "\${process#/proc/}"
done
true`;

const serverProcesses = async (cluster: string, as: RunAs): Promise<readonly string[]> => {
  if (process.platform !== 'linux') return [];
  const { output } = await run('/bin/sh', ['-c', listServerProcesses, 'sh', await realpath(cluster)], { as });
  return output.split('\n').filter((line) => line !== '');
};

const hasServerProcesses = async (cluster: string, as: RunAs): Promise<boolean> =>
  (await serverProcesses(cluster, as)).length > 0;
