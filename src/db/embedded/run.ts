import { spawn } from 'node:child_process';
import { errorCode, unavailable } from './failure.ts';

/** The user that the database's programs run as; null when that is the service's own user. */
export type RunAs = { readonly uid: number; readonly gid: number } | null;

export interface Outcome {
  readonly ok: boolean;
  /** The last 16 KiB of what it printed; empty when its output went to a file. */
  readonly output: string;
}

export interface RunOptions {
  readonly as: RunAs;
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** An open file that takes the output. A program that leaves a server behind needs one: a pipe would break. */
  readonly outputTo?: number;
}

// The service's own environment holds the root keys, so nothing of it is handed on.
const scrubbed = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LANG: 'C',
};

const keptOutput = 16_384;

/**
 * Runs a program to its end with an environment of its own, in a session of its own (a Ctrl-C meant for the
 * service doesn't reach it) and as `as`. Rejects with one sentence if it cannot be run at all.
 */
export const run = async (program: string, args: readonly string[], options: RunOptions): Promise<Outcome> => {
  try {
    return await runToEnd(program, args, options);
  } catch (error) {
    throw explainSpawn(program, error);
  }
};

const runToEnd = (program: string, args: readonly string[], options: RunOptions): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const sink = options.outputTo ?? 'pipe';
    const child = spawn(program, args, {
      ...(options.as === null ? {} : { uid: options.as.uid, gid: options.as.gid }),
      env: { ...scrubbed, ...options.environment },
      cwd: options.cwd ?? '/',
      detached: true,
      stdio: ['ignore', sink, sink],
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-keptOutput);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.once('error', reject);
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });

const explainSpawn = (program: string, error: unknown): Error => {
  const code = errorCode(error);
  if (code === 'ENOENT') {
    return unavailable(
      `${program} cannot be run on this system. Set KEYHOLD_DATABASE_URL to a PostgreSQL server.`,
      error,
    );
  }
  if (code === 'EPERM' || code === 'EINVAL') {
    return unavailable(
      'As root, Keyhold runs its database as another user, and this system does not let it change the user. ' +
        'Run Keyhold as an ordinary user, or set KEYHOLD_DATABASE_URL to a PostgreSQL server.',
      error,
    );
  }
  return unavailable(`${program} cannot be run: ${String(error)}`, error);
};
