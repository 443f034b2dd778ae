import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';

/** A pipe: a descriptor for the command to write to, and a stream to read from. */
export interface Pipe {
  readonly writeEnd: number;
  readonly output: Readable;
}

const noPipes = (cause: unknown): CliFailure =>
  new CliFailure(
    exitCodes.notWritten,
    `Masking the output needs "mkfifo" and a temporary directory, and ${tmpdir()} could not be used. Set TMPDIR to a writable directory, or pass --no-mask.`,
    { cause },
  );

const createDirectory = (): string => {
  try {
    return mkdtempSync(join(tmpdir(), 'keyhold-run-'));
  } catch (cause) {
    throw noPipes(cause);
  }
};

/**
 * Creates pipes like a shell's. Node gives its children sockets, on which `> /dev/stdout` and `tee /dev/stderr` fail.
 * No data is written to disk, and the names of the pipes are removed before anything runs.
 */
export const createPipes = async (count: number): Promise<Pipe[]> => {
  if (count === 0) return [];
  const directory = createDirectory();
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

/** Closes our copies once the command has its own: a pipe ends with its last writer. */
export const closeWriteEnds = (pipes: readonly Pipe[]): void => {
  for (const { writeEnd } of pipes) closeSync(writeEnd);
};
