import { link, readFile, realpath, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './failure.ts';
import { draftName } from './leftovers.ts';
import { type RunAs, run } from './run.ts';

/** The running server of a cluster according to its lock file, or null. A pid that went to another is told. */
export const livePostmaster = async (cluster: string, as: RunAs): Promise<number | null> => {
  const pid = await readPid(join(cluster, 'postmaster.pid'));
  if (pid === null || !(await isServerOf(pid, cluster, as))) return null;
  return pid;
};

/**
 * Removes lock files that PostgreSQL would not get past by itself: the process they name exists, but is
 * another one that got the same pid, or a dead one that nobody has collected. Call it only when the cluster
 * has no running server.
 */
export const removeStaleLocks = async (cluster: string, socketLock: string, as: RunAs): Promise<void> => {
  for (const path of [join(cluster, 'postmaster.pid'), socketLock]) {
    const pid = await readPid(path);
    if (pid === null || !processExists(pid) || (await isServerOf(pid, cluster, as))) continue;
    await removeIfStill(path, pid);
  }
};

const readPid = async (path: string): Promise<number | null> => {
  try {
    const pid = Number.parseInt(await readFile(path, 'utf8'), 10);
    // The socket's lock file names a server that is no service with a minus sign.
    return Number.isNaN(pid) ? null : Math.abs(pid);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
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

// A server may write its lock file between the look and the removal: then it gets it back.
const removeIfStill = async (path: string, pid: number): Promise<void> => {
  const aside = draftName(path);
  try {
    await rename(path, aside);
    if ((await readPid(aside)) !== pid) await link(aside, path);
    await unlink(aside);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EEXIST') throw error;
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

const killLeftoverServers = `for process in /proc/[0-9]*; do
  [ "$(cat "$process/comm" 2>/dev/null)" = postgres ] || continue
  [ "$(readlink "$process/cwd" 2>/dev/null)" = "$1" ] && kill -9 "\${process#/proc/}"
done
true`;

/**
 * Ends the processes of a server whose postmaster died: one that is busy doesn't notice, and PostgreSQL starts
 * no second server beside it. Nothing is lost, for the new server recovers from the log. Call it only when the
 * cluster has no running postmaster. On systems without /proc it waits for them instead.
 */
export const endOrphans = async (cluster: string, as: RunAs): Promise<void> => {
  if (process.platform !== 'linux') return;
  await run('/bin/sh', ['-c', killLeftoverServers, 'sh', await realpath(cluster)], { as });
};
