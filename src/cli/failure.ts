import { type ExitCode, exitCodes } from './exit-codes.ts';

/** An expected failure of a command: its message says what happened and what to do, and it has an exit code. */
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

/** Runs `work`; if Ctrl-C ends it, the failure says `message`, such as what goes on without this command. */
export const tellIfInterrupted = async <T>(message: () => string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    const isInterrupted = cause instanceof CliFailure && cause.exitCode === exitCodes.interrupted;
    throw isInterrupted ? new CliFailure(exitCodes.interrupted, message(), { cause }) : cause;
  }
};

const systemErrors: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is exceeded',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'part of the path is not a directory',
  EISDIR: 'it is a directory',
  EFBIG: 'the file would become larger than this process may write',
  EIO: 'the device reported an input/output error',
};

/** The reason of a failed system call, without the arguments that Node's message holds; null for any other error. */
export const systemErrorText = (error: unknown): string | null => {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? (systemErrors[code] ?? null) : null;
};
