import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { commandFile } from './command-file.ts';
import type { Ending } from './ending.ts';
import type { Masker } from './masker.ts';
import { closeWriteEnds, makePipes } from './pipes.ts';
import type { Environment } from './replace-process.ts';

export interface PipedOptions {
  readonly command: readonly string[];
  readonly env: Environment;
  readonly masker: () => Masker;
  /** Which of the two go through a masker; the other one stays the terminal's. */
  readonly masked: { readonly stdout: boolean; readonly stderr: boolean };
}

/** A terminal sends its signals to the whole foreground group, the command included. */
const fromTerminal = ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const;
const fromElsewhere = ['SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const;

const hasTerminal = (): boolean => {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
};

/** Hands signals on to the command, but for those that it has from the terminal already. */
const passSignals = (child: ChildProcess): void => {
  const terminal = hasTerminal();
  for (const signal of fromTerminal) process.on(signal, () => (terminal ? undefined : child.kill(signal)));
  for (const signal of fromElsewhere) process.on(signal, () => child.kill(signal));
};

/** Resolves when all of it was said. Who reads no longer ends the pipe, so that the command learns of it as usual. */
const maskThrough = (from: Readable, to: Writable, masker: Masker): Promise<void> =>
  new Promise((resolve) => {
    const say = (bytes: Buffer): void => {
      if (bytes.length === 0 || to.write(bytes)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    to.on('error', () => from.destroy());
    from.on('error', () => from.destroy());
    from.on('data', (chunk: Buffer) => say(masker.push(chunk)));
    from.once('end', () => say(masker.end()));
    from.once('close', resolve);
  });

const start = (options: PipedOptions, stdout: number | 'inherit', stderr: number | 'inherit'): ChildProcess => {
  const [name = '', ...args] = options.command;
  const { file, argv } = commandFile(name, options.env['PATH'] ?? '');
  const [argv0 = file, ...before] = argv;
  return spawn(file, [...before, ...args], { argv0, env: options.env, stdio: ['inherit', stdout, stderr] });
};

/** Runs the command with its piped output masked. Resolves when it has ended and everything was said. */
export const runPiped = async (options: PipedOptions): Promise<Ending> => {
  const targets = [
    ...(options.masked.stdout ? [process.stdout] : []),
    ...(options.masked.stderr ? [process.stderr] : []),
  ];
  const pipes = makePipes(targets.length);
  const [first] = pipes;
  const last = pipes.at(-1);
  const child = start(
    options,
    options.masked.stdout && first ? first.writeEnd : 'inherit',
    options.masked.stderr && last ? last.writeEnd : 'inherit',
  );
  passSignals(child);
  closeWriteEnds(pipes);
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const said = pipes.map(({ output }, index) =>
    maskThrough(output, targets[index] ?? process.stdout, options.masker()),
  );
  const [ending] = await Promise.all([ended, ...said]);
  return ending;
};
