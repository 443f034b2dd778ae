import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * A shell's exit codes for a command that is not found or not executable (IEEE Std 1003.1, "Exit Status for Commands").
 */
export const notFoundStatus = 127;
const notExecutableStatus = 126;

/** The command cannot be started. `status` is the exit code that a shell would give. */
export class CannotStart extends Error {
  readonly status: number;

  constructor(status: number, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'CannotStart';
    this.status = status;
  }
}

/** A file to execute, with its first arguments: the command's name, or a shell and the script that it reads. */
export interface CommandFile {
  readonly file: string;
  readonly argv: readonly string[];
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The search path of the GNU C library's execvp(3) where PATH is unset. */
const defaultPath = '/bin:/usr/bin';

const find = (command: string, path: string): string => {
  const candidates = command.includes('/')
    ? [command]
    : path.split(delimiter).map((directory) => join(directory === '' ? '.' : directory, command));
  const files = candidates.filter(isFile);
  const executable = files.find(isExecutable);
  if (executable !== undefined) return executable;
  if (files[0] === undefined) throw new CannotStart(notFoundStatus, `${command}: command not found.`);
  throw new CannotStart(notExecutableStatus, `${files[0]}: permission denied.`);
};

const firstBytesOf = (path: string): string => {
  const bytes = Buffer.alloc(4);
  try {
    const handle = openSync(path, 'r');
    try {
      return bytes.toString('latin1', 0, readSync(handle, bytes, 0, 4, 0));
    } finally {
      closeSync(handle);
    }
  } catch {
    // An executable that cannot be read cannot be a script without an interpreter.
    return '\x7fELF';
  }
};

/** ELF, `#!`, and the formats of Mach-O. */
const native = /^(?:\x7fELF|#!|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe)/s;

/**
 * The file that a shell would execute for this command, with the first words of its argv. A text file without `#!` is a
 * shell script, as for execvp(3). Throws CannotStart.
 */
export const commandFile = (command: string, path = defaultPath): CommandFile => {
  const file = find(command, path);
  return native.test(firstBytesOf(file)) ? { file, argv: [command] } : { file: '/bin/sh', argv: ['/bin/sh', file] };
};
