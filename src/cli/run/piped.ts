import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync, readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { exitCodes } from '../exit-codes.ts';
import { outputLost } from '../output.ts';
import { type CommandExit, exitAs } from './command-exit.ts';
import { CannotStart, commandFile, notFoundStatus } from './command-file.ts';
import { createMaskers, type Masker } from './masker.ts';
import { closeWriteEnds, createPipes } from './pipes.ts';
import type { CommandToRun, Runner } from './runner.ts';

/** Which outputs go through a masker. */
export interface Masked {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

const terminalSignals = ['SIGINT', 'SIGQUIT'] as const;
const otherSignals = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const;

/** True where we are the terminal's foreground group, so that it sends its signals to the command too. */
const isForeground = (): boolean => {
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

/** Forwards signals to the command, except those that the terminal has sent it already. */
const forwardSignals = (child: ChildProcess): void => {
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  // Its own children may still write after it has exited. A signal then terminates us.
  const forward = (signal: NodeJS.Signals): void =>
    hasEnded() ? exitAs({ code: null, signal }) : void child.kill(signal);
  for (const signal of terminalSignals)
    process.on(signal, () => (isForeground() && !hasEnded() ? undefined : forward(signal)));
  for (const signal of otherSignals) process.on(signal, () => forward(signal));
};

/**
 * Copies output through the masker and resolves once all of it is written. When the reader goes away, the pipe is
 * closed, so that the command notices as usual. Rejects with notWritten where output is lost otherwise, for example on
 * a full disk.
 */
const maskThrough = (from: Readable, to: Writable, masker: Masker): Promise<void> =>
  new Promise((resolve, reject) => {
    let failure: unknown = null;
    const write = (bytes: Buffer): void => {
      if (bytes.length === 0 || to.write(bytes)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    to.on('error', (error) => {
      failure ??= error;
      from.destroy();
    });
    from.on('error', () => from.destroy());
    from.on('data', (chunk: Buffer) => write(masker.push(chunk)));
    from.once('end', () => write(masker.end()));
    // An empty write calls back once everything before it is written or has failed.
    from.once('close', () =>
      to.write('', () => {
        const lost = failure === null ? null : outputLost(failure);
        if (lost === null || lost.exitCode === exitCodes.brokenPipe) resolve();
        else reject(lost);
      }),
    );
  });

type Output = number | 'inherit';

const start = ({ command, env }: CommandToRun, stdout: Output, stderr: Output): ChildProcess => {
  const [name = '', ...args] = command;
  const { file, argv } = commandFile(name, env['PATH']);
  const [argv0 = file, ...before] = argv;
  return spawn(file, [...before, ...args], { argv0, env, stdio: ['inherit', stdout, stderr] });
};

/** The file was found and is executable, so that ENOENT means its interpreter. */
const notStarted = (name: string, error: unknown): unknown =>
  (error as { code?: unknown }).code === 'ENOENT'
    ? new CannotStart(notFoundStatus, `${name}: its interpreter was not found.`, error)
    : error;

/** True where both outputs are the same file, as after `2>&1`: one pipe then keeps their order. */
const areSameFile = ({ stdout, stderr }: Masked): boolean => {
  if (!stdout || !stderr) return false;
  const [one, other] = [fstatSync(1), fstatSync(2)];
  return one.dev === other.dev && one.ino === other.ino && one.rdev === other.rdev;
};

/** A runner that masks these outputs of the command. */
export const preparePiped = async (masked: Masked): Promise<Runner> => {
  const second = masked.stderr && !areSameFile(masked) ? [process.stderr] : [];
  const targets = [...(masked.stdout ? [process.stdout] : []), ...second];
  const pipes = await createPipes(targets.length);
  const [first] = pipes;
  const last = pipes.at(-1);
  const stdout = masked.stdout && first ? first.writeEnd : 'inherit';
  const stderr = masked.stderr && last ? last.writeEnd : 'inherit';
  return async (command) => {
    const masker = createMaskers(command.values);
    const child = start(command, stdout, stderr);
    forwardSignals(child);
    closeWriteEnds(pipes);
    const ended = new Promise<CommandExit>((resolve, reject) => {
      child.once('error', (error) => reject(notStarted(command.command[0] ?? '', error)));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const copied = pipes.map(({ output }, index) => maskThrough(output, targets[index] ?? process.stdout, masker()));
    const outcomes = await Promise.allSettled([ended, ...copied]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return await ended;
  };
};
