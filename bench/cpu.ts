import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type pg from 'pg';
import { pause } from './statistics.ts';

/* CPU time, which says more than rates do where the machine’s speed changes from one minute to the next. Linux only. */

/** Clock ticks a second, in which Linux counts (`getconf CLK_TCK`). */
const ticksPerSecond = 100;

interface Process {
  readonly parent: number;
  /** Its own time, and with that of its ended children, in seconds. */
  readonly own: number;
  readonly whole: number;
}

const readProcess = (pid: number | string): Process | null => {
  try {
    // Fields after the command’s name (proc_pid_stat(5)): state, ppid, …, utime, stime, cutime, cstime.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [user = 0, system = 0, ofUser = 0, ofSystem = 0] = fields.slice(11, 15).map(Number);
    const own = (user + system) / ticksPerSecond;
    return { parent: Number(fields[1]), own, whole: own + (ofUser + ofSystem) / ticksPerSecond };
  } catch {
    return null;
  }
};

/** The CPU seconds that this process has used, its threads included. */
export const cpuOfProcess = (pid: number): number => readProcess(pid)?.own ?? 0;

/** The CPU seconds that a process and all its children have used, those that have ended included. */
export const cpuOfFamily = (pid: number): number => {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const children = all.map(readProcess).filter((one) => one?.parent === pid);
  return children.reduce((sum, one) => sum + (one?.whole ?? 0), readProcess(pid)?.whole ?? 0);
};

/** The main process of the server that this client is connected to. */
export const serverOf = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return readProcess(rows[0]?.pid ?? 0)?.parent ?? 0;
};

const times = (): { readonly busy: number; readonly all: number } => {
  const each = cpus().map(({ times: { idle, ...rest } }) => ({
    busy: Object.values(rest).reduce((sum, one) => sum + one, 0),
    idle,
  }));
  const busy = each.reduce((sum, one) => sum + one.busy, 0);
  return { busy, all: busy + each.reduce((sum, one) => sum + one.idle, 0) };
};

/** Which share of the machine’s CPU time was used while nothing of the bench ran, from 0 to 1. */
export const busyShare = async (ms = 3000): Promise<number> => {
  const before = times();
  await pause(ms);
  const after = times();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
};
