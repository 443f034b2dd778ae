import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';

/** One real pipe: the end that the command writes to as a descriptor, the other one to read from. */
export interface Pipe {
  readonly writeEnd: number;
  readonly output: Readable;
}

const noPipes = (cause: unknown): CliFailure =>
  new CliFailure(
    exitCodes.notWritten,
    `Masking what the command writes takes "mkfifo" and a directory for temporary files, and ${tmpdir()} could not be used. Set TMPDIR to one that can be written, or say --no-mask.`,
    { cause },
  );

const makeDirectory = (): string => {
  try {
    return mkdtempSync(join(tmpdir(), 'keyhold-run-'));
  } catch (cause) {
    throw noPipes(cause);
  }
};

/**
 * Makes pipes as a shell does. Node itself gives its children sockets, on which `> /dev/stdout` and `tee /dev/stderr`
 * fail. Nothing is written to disk: the names of the pipes are gone before anything runs.
 */
export const makePipes = async (count: number): Promise<Pipe[]> => {
  if (count === 0) return [];
  const directory = makeDirectory();
  try {
    const paths = Array.from({ length: count }, (_, index) => join(directory, String(index)));
    const [code] = await once(spawn('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' }), 'exit');
    if (code !== 0) throw noPipes(null);
    return paths.map(openPipe);
  } catch (cause) {
    throw noPipes(cause);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

const openPipe = (path: string): Pipe => {
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  return { writeEnd, output: new Socket({ fd: readEnd, readable: true, writable: false }) };
};

/** After the command has them, ours have to go: the pipe ends when its last writer does. */
export const closeWriteEnds = (pipes: readonly Pipe[]): void => {
  for (const { writeEnd } of pipes) closeSync(writeEnd);
};
