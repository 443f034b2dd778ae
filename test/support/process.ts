import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One real service process: `node src/main.ts serve`. */
export interface ServiceProcess {
  /** Where it listens, such as http://127.0.0.1:41234. */
  readonly url: string;
  readonly pid: number;
  /** Everything that it has printed so far, including its log. */
  stdout(): string;
  stderr(): string;
  /** Stops it by SIGTERM, as an operator does. */
  stop(): Promise<Exit>;
  /** Kills it by SIGKILL, which it cannot handle. */
  kill(): Promise<Exit>;
  readonly exited: Promise<Exit>;
}

interface StartServiceOptions {
  /** Settings in addition to a free port and the log level warn. No KEYHOLD_ variable is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long it may take to be ready. After that it is killed and the start fails. */
  readonly withinMs?: number;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

const withoutSettings = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('KEYHOLD_')));

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const isReady = async (url: string): Promise<boolean> => {
  try {
    const { status, body } = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) });
    await body?.cancel();
    return status === 200;
  } catch {
    return false;
  }
};

/** Starts a service and resolves once `/readyz` answers 200. Rejects with what it printed if the start fails. */
export const startService = async ({ env = {}, withinMs = 90_000 }: StartServiceOptions): Promise<ServiceProcess> => {
  const child = spawn(process.execPath, ['src/main.ts', 'serve'], {
    cwd: root,
    env: { ...withoutSettings(process.env), KEYHOLD_PORT: '0', KEYHOLD_LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed.err += text;
  });
  let gone = false;
  const exited = new Promise<Exit>((resolve) => {
    // `close` comes after the end of both pipes, when the output is complete. A failed spawn emits only an error.
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    gone = true;
    process.off('exit', endWithTest);
  });
  const endWithTest = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', endWithTest);

  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    child.kill(signal);
    return await exited;
  };
  const address = (): string | undefined => /^Keyhold serves (\S+)/m.exec(printed.out)?.[1];
  const deadline = Date.now() + withinMs;
  for (;;) {
    const url = address();
    if (url !== undefined && (await isReady(url))) {
      return {
        url,
        pid: child.pid ?? 0,
        stdout: () => printed.out,
        stderr: () => printed.err,
        stop: () => end('SIGTERM'),
        kill: () => end('SIGKILL'),
        exited,
      };
    }
    const late = Date.now() > deadline;
    if (late) await end('SIGKILL');
    if (gone || late)
      throw new Error(`the service ${late ? 'was not ready in time' : 'ended'}:\n${printed.out}${printed.err}`);
    await pause(10);
  }
};
