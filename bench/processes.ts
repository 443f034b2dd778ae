import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

export interface Running extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from its start until it said where it listens. */
  readonly readyMs: number;
}

/** Starts a server process and waits until it prints a line with its address. */
export const startServer = async (
  args: readonly string[],
  address: RegExp,
  env: Readonly<Record<string, string>> = {},
): Promise<Running> => {
  const begun = performance.now();
  const child = spawn(process.execPath, [...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const found = address.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    lines.once('close', () => reject(new Error(`${args.join(' ')} ended before it listened`)));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
    process.off('exit', endWithUs);
  };
  return { url, pid: child.pid ?? 0, readyMs: performance.now() - begun, [Symbol.asyncDispose]: stop };
};

export const startBareFastify = (size: number): Promise<Running> =>
  startServer(['bench/bare-fastify.ts', '0', String(size)], /^listening at (\S+)/);

/** The floor beneath every recorded answer, on the database of the service. */
export const startFloor = (database: string, size: number): Promise<Running> =>
  startServer(['bench/floor.ts', database, String(size)], /^listening at (\S+)/);
