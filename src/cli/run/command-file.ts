import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a shell ends with when the command is not there, or cannot be run (IEEE Std 1003.1, "Exit Status for Commands"). */
export const notFoundStatus = 127;
const notExecutableStatus = 126;

/** The command cannot be started. `status` is what a shell would end with. */
export class CannotStart extends Error {
  readonly status: number;

  constructor(status: number, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'CannotStart';
    this.status = status;
  }
}

/** A file to execute, and the arguments before those of the person: none, or the script that a shell is to read. */
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

/** Where execvp(3) of the GNU C library looks when PATH is not set. */
const defaultPath = '/bin:/usr/bin';

const find = (command: string, path: string): string => {
  const candidates = command.includes('/')
    ? [command]
    : path.split(delimiter).map((directory) => join(directory === '' ? '.' : directory, command));
  const files = candidates.filter(isFile);
  const executable = files.find(isExecutable);
  if (executable !== undefined) return executable;
  if (files[0] === undefined) throw new CannotStart(notFoundStatus, `${command}: there is no such command.`);
  throw new CannotStart(notExecutableStatus, `${files[0]}: this file may not be executed.`);
};

const beginningOf = (path: string): string => {
  const bytes = Buffer.alloc(4);
  try {
    const handle = openSync(path, 'r');
    try {
      return bytes.toString('latin1', 0, readSync(handle, bytes, 0, 4, 0));
    } finally {
      closeSync(handle);
    }
  } catch {
    // Executable but not readable: then it is no script without an interpreter either.
    return '\x7fELF';
  }
};

/** ELF, `#!`, and the four spellings and the container of Mach-O. */
const native = /^(?:\x7fELF|#!|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe)/s;

/**
 * The file that a shell would execute for this command, with the first words of its argv: a text without `#!` is a shell
 * script, as for execvp(3). Throws CannotStart.
 */
export const commandFile = (command: string, path = defaultPath): CommandFile => {
  const file = find(command, path);
  return native.test(beginningOf(file)) ? { file, argv: [command] } : { file: '/bin/sh', argv: ['/bin/sh', file] };
};
