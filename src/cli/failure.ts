import { type ExitCode, exitCodes } from './exit-codes.ts';

/** What ends a command line: a sentence that says what to do next, and the exit code. */
export class CliFailure extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'CliFailure';
    this.exitCode = exitCode;
  }
}

export const usage = (message: string): CliFailure => new CliFailure(exitCodes.usage, message);

/** Ctrl-C, at a prompt or while waiting. */
export const interrupted = (): CliFailure => new CliFailure(exitCodes.interrupted, '');

const fileTroubles: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EIO: 'the device failed',
};

/** The sentence for a failed system call, without what Node prints of its arguments. */
export const troubleOf = (error: unknown): string | null => {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? (fileTroubles[code] ?? null) : null;
};
