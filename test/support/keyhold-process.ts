import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  /** The standard input; empty by default. */
  readonly input?: string | Buffer;
  /** The standard output: a pipe that is read, a pipe that is closed, or a full disk. */
  readonly stdout?: 'pipe' | 'closed' | 'full';
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const keyholdBin = fileURLToPath(new URL('../../bin/keyhold.mjs', import.meta.url));

const withoutSettings = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(KEYHOLD_|EDITOR$|VISUAL$)/.test(name)));

/** Runs a command line to its end as a script would: without a terminal, and with stdout and stderr apart. */
export const runKeyhold = async (args: readonly string[], options: RunOptions): Promise<Ran> => {
  const full = options.stdout === 'full' ? openSync('/dev/full', 'w') : null;
  const child = spawn(process.execPath, [keyholdBin, ...args], {
    cwd: root,
    env: { ...withoutSettings(process.env), ...options.env },
    stdio: ['pipe', full ?? 'pipe', 'pipe'],
  });
  if (full !== null) closeSync(full);
  if (options.stdout === 'closed') child.stdout?.destroy();
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
};

/** Runs `work` on each item, a few at a time. The results have the order of the items. */
export const fewAtATime = async <T, R>(items: readonly T[], work: (item: T) => Promise<R>, width = 3): Promise<R[]> => {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(items[at] as T);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
};
