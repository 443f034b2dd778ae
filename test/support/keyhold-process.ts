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
  /** What comes by stdin; nothing when it is left out. */
  readonly input?: string | Buffer;
  /** A pipe that is read, one that nobody reads any more, or a disk that is full. */
  readonly stdout?: 'pipe' | 'closed' | 'full';
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const keyholdBin = fileURLToPath(new URL('../../bin/keyhold.mjs', import.meta.url));

const withoutOurs = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(KEYHOLD_|EDITOR$|VISUAL$)/.test(name)));

/** One command line, run to its end as from a script: no terminal, stdout and stderr apart. */
export const runKeyhold = async (args: readonly string[], options: RunOptions): Promise<Ran> => {
  const full = options.stdout === 'full' ? openSync('/dev/full', 'w') : null;
  const child = spawn(process.execPath, [keyholdBin, ...args], {
    cwd: root,
    env: { ...withoutOurs(process.env), ...options.env },
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

/** Runs the work on each, a few at a time; the results in their order. */
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
