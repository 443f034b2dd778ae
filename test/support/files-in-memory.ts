import { accessSync, constants, readFileSync, realpathSync, statfsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * Where the tests keep their files. A database waits for the disk at every commit, and the tests make hundreds of thousands.
 * None of them cuts the power, so that nothing is proved by a disk that memory would not prove: a killed process loses no
 * more in memory. Tests about disks mount their own.
 */

const memory = '/dev/shm';
/** What all databases of a run need at the same time, and as much again. */
const neededBytes = 2 * 1024 ** 3;

/** Whether programs may be run from there, which containers often forbid: some tests write scripts and run them. */
const allowsPrograms = (directory: string): boolean => {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const options = mounts.map((line) => line.split(' ')).findLast(([, place]) => place === directory)?.[3];
  return options !== undefined && !options.split(',').includes('noexec');
};

const isUsable = (directory: string): boolean => {
  try {
    // Other users pass it as well, such as the one that the database runs as.
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize >= neededBytes && freemem() >= 2 * neededBytes && allowsPrograms(directory);
  } catch {
    return false;
  }
};

/** The directory for the tests' own files: in memory where there is enough of it, else where the system says. */
const placeForFiles = isUsable(memory) ? memory : realpathSync(tmpdir());

const prefix = 'keyhold-test-';

/** The beginning of the path of a directory of this process. The whole is short enough for the sockets in it. */
export const ownPrefix = join(placeForFiles, `${prefix}${process.pid}-`);

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Removes what ended processes have left, such as those of a run that was killed. */
export const removeLeftovers = async (): Promise<void> => {
  for (const name of await readdir(placeForFiles)) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    await rm(join(placeForFiles, name), { recursive: true, force: true, maxRetries: 5 });
  }
};
