import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync, readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { exitCodes } from '../exit-codes.ts';
import { outputLost } from '../output.ts';
import { type CommandExit, exitAs } from './command-exit.ts';
import { CannotStart, commandFile, notFoundStatus } from './command-file.ts';
import { createMaskers, type Masker } from './masker.ts';
import { closeWriteEnds, makePipes } from './pipes.ts';
import type { Runner, Started } from './runner.ts';

/** Which of the two go through a masker; the other one stays the terminal's. */
export interface Masked {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

const ofTerminal = ['SIGINT', 'SIGQUIT'] as const;
const others = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const;

/** True where a terminal sends its signals to our whole group, the command included: we are its foreground. */
const terminalTells = (): boolean => {
  try {
    // Fields after the command's name: state, ppid, pgrp, session, tty_nr, tpgid (proc(5)).
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[2] === fields[5];
  } catch {
    return process.stdin.isTTY === true;
  }
};

/** Hands signals on to the command, but for those that it has from the terminal already. */
const passSignals = (child: ChildProcess): void => {
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  // What it has started may still write. Then a signal is ours: nobody else is there to end.
  const pass = (signal: NodeJS.Signals): void =>
    hasEnded() ? exitAs({ code: null, signal }) : void child.kill(signal);
  for (const signal of ofTerminal)
    process.on(signal, () => (terminalTells() && !hasEnded() ? undefined : pass(signal)));
  for (const signal of others) process.on(signal, () => pass(signal));
};

/**
 * Resolves when all of it was said. Who reads no longer ends the pipe, so that the command learns of it as usual. Rejects
 * with notWritten, after the command has learnt of it, where output is lost in another way: a disk that is full.
 */
const maskThrough = (from: Readable, to: Writable, masker: Masker): Promise<void> =>
  new Promise((resolve, reject) => {
    let failure: unknown = null;
    const say = (bytes: Buffer): void => {
      if (bytes.length === 0 || to.write(bytes)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    to.on('error', (error) => {
      failure ??= error;
      from.destroy();
    });
    from.on('error', () => from.destroy());
    from.on('data', (chunk: Buffer) => say(masker.push(chunk)));
    from.once('end', () => say(masker.end()));
    // An empty write comes back once everything before it is through, or can never be.
    from.once('close', () =>
      to.write('', () => {
        const lost = failure === null ? null : outputLost(failure);
        if (lost === null || lost.exitCode === exitCodes.brokenPipe) resolve();
        else reject(lost);
      }),
    );
  });

type Output = number | 'inherit';

const start = ({ command, env }: Started, stdout: Output, stderr: Output): ChildProcess => {
  const [name = '', ...args] = command;
  const { file, argv } = commandFile(name, env['PATH']);
  const [argv0 = file, ...before] = argv;
  return spawn(file, [...before, ...args], { argv0, env, stdio: ['inherit', stdout, stderr] });
};

/** The file is there and may be executed; what cannot be started then is what it names as its interpreter. */
const notStarted = (name: string, error: unknown): unknown =>
  (error as { code?: unknown }).code === 'ENOENT'
    ? new CannotStart(notFoundStatus, `${name}: the interpreter that it names is not there.`, error)
    : error;

/** True where both go to one place, as after `2>&1`: what is written to either then keeps its order in one pipe. */
const areOne = ({ stdout, stderr }: Masked): boolean => {
  if (!stdout || !stderr) return false;
  const [one, other] = [fstatSync(1), fstatSync(2)];
  return one.dev === other.dev && one.ino === other.ino && one.rdev === other.rdev;
};

/** A runner that masks what the command writes to these. */
export const preparePiped = async (masked: Masked): Promise<Runner> => {
  const second = masked.stderr && !areOne(masked) ? [process.stderr] : [];
  const targets = [...(masked.stdout ? [process.stdout] : []), ...second];
  const pipes = await makePipes(targets.length);
  const [first] = pipes;
  const last = pipes.at(-1);
  const stdout = masked.stdout && first ? first.writeEnd : 'inherit';
  const stderr = masked.stderr && last ? last.writeEnd : 'inherit';
  return async (started) => {
    const masker = createMaskers(started.values);
    const child = start(started, stdout, stderr);
    passSignals(child);
    closeWriteEnds(pipes);
    const ended = new Promise<CommandExit>((resolve, reject) => {
      child.once('error', (error) => reject(notStarted(started.command[0] ?? '', error)));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const said = pipes.map(({ output }, index) => maskThrough(output, targets[index] ?? process.stdout, masker()));
    const outcomes = await Promise.allSettled([ended, ...said]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return await ended;
  };
};
