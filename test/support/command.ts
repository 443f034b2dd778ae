import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A command of ours that runs: `node src/main.ts …`, or another program at the root of the repository. */
export interface Command {
  readonly pid: number;
  /** What it has printed so far. */
  out(): string;
  err(): string;
  /** Resolves to the first match in what it prints on stdout; rejects when it ends before. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  signal(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface CommandOptions {
  /** Settings of ours; nothing named KEYHOLD_ is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** In place of our own program. */
  readonly program?: readonly [string, ...string[]];
  /** In a process group of its own, so that a signal can go to all of it. */
  readonly ownGroup?: boolean;
}

const environment = (env: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYHOLD_'))),
  ...env,
});

export const startCommand = (args: readonly string[], options: CommandOptions = {}): Command => {
  const [program, ...before] = options.program ?? [process.execPath, 'src/main.ts'];
  const child = spawn(program, [...before, ...args], {
    cwd: root,
    env: environment(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.ownGroup ?? false,
  });
  let out = '';
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  return {
    pid: child.pid ?? 0,
    out: () => out,
    err: () => err,
    prints: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(out);
          if (found) resolve(found);
        };
        look();
        child.stdout.on('data', look);
        ended.then(
          ({ code }) => reject(new Error(`it ended (${code}) before it printed ${pattern}:\n${out}${err}`)),
          reject,
        );
      }),
    signal: (signal) => void child.kill(signal),
    ended,
  };
};

const maxCommandMs = 50_000;

/** Runs a command to its end. One that goes on, such as a service that should have been refused, is killed: that rejects. */
export const runCommand = async (args: readonly string[], options: CommandOptions = {}): Promise<Ended> => {
  const command = startCommand(args, options);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    command.signal('SIGKILL');
  }, maxCommandMs);
  const ended = await command.ended;
  clearTimeout(timer);
  if (isLate) throw new Error(`it did not end within ${maxCommandMs} ms:\n${ended.out}${ended.err}`);
  return ended;
};
