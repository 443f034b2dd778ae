import { spawn } from 'node:child_process';
import { errorCode, unavailable } from './failure.ts';

/** The user that the database's programs run as. Null means the service's own user. */
export type RunAs = { readonly uid: number; readonly gid: number } | null;

export interface Outcome {
  readonly ok: boolean;
  /** The last 16 KiB of its output. Empty if the output went to a file. */
  readonly output: string;
}

export interface RunOptions {
  readonly as: RunAs;
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** An open file for the output. A program that leaves a server running needs one, since a pipe would break. */
  readonly outputTo?: number;
}

// The service's own environment may contain the root keys, so nothing of it is passed on.
const scrubbed = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LANG: 'C',
};

const maxOutput = 16_384;

/**
 * Runs a program to its end as the user `as`, with an environment and in a session of its own, so that a Ctrl-C for the
 * service does not reach it. Rejects with one sentence if it cannot be run at all.
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
      output = (output + chunk.toString()).slice(-maxOutput);
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
      'As root, Keyhold runs its database as another user, and this system does not allow it to change the user. ' +
        'Run Keyhold as an ordinary user, or set KEYHOLD_DATABASE_URL to a PostgreSQL server.',
      error,
    );
  }
  return unavailable(`${program} cannot be run: ${String(error)}`, error);
};
