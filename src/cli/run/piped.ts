import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { commandFile } from './command-file.ts';
import type { Ending } from './ending.ts';
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
  for (const signal of ofTerminal) process.on(signal, () => (terminalTells() ? undefined : child.kill(signal)));
  for (const signal of others) process.on(signal, () => child.kill(signal));
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
    // An empty write comes back once everything before it is through, or can never be.
    from.once('close', () => to.write('', () => resolve()));
  });

type Output = number | 'inherit';

const start = ({ command, env }: Started, stdout: Output, stderr: Output): ChildProcess => {
  const [name = '', ...args] = command;
  const { file, argv } = commandFile(name, env['PATH'] ?? '');
  const [argv0 = file, ...before] = argv;
  return spawn(file, [...before, ...args], { argv0, env, stdio: ['inherit', stdout, stderr] });
};

/** A runner that masks what the command writes to these. */
export const preparePiped = async (masked: Masked): Promise<Runner> => {
  const targets = [...(masked.stdout ? [process.stdout] : []), ...(masked.stderr ? [process.stderr] : [])];
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
    const ended = new Promise<Ending>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const said = pipes.map(({ output }, index) => maskThrough(output, targets[index] ?? process.stdout, masker()));
    const [ending] = await Promise.all([ended, ...said]);
    return ending;
  };
};
