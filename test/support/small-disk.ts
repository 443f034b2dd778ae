import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const works = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;

/** Mounts a disk of this size, such as 256m, which users other than root may pass. */
export const mountDisk = (directory: string, size: string): boolean =>
  works('mount', '-t', 'tmpfs', '-o', `size=${size},mode=711`, 'keyhold-test', directory);

export const unmountDisk = (directory: string): boolean => works('umount', directory);

/** Whether we can mount a small disk, which needs root and no container that forbids it. */
export const mayMount = (() => {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return false;
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-mount-'));
  try {
    return mountDisk(directory, '256m') && unmountDisk(directory);
  } finally {
    rmdirSync(directory);
  }
})();

/** The program that limits how large the files of a process may become. */
export const limiter = 'prlimit';

export const mayLimit = process.platform === 'linux' && works(limiter, '--version');
