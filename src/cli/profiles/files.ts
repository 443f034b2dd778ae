import { access, constants, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir, platform } from 'node:os';
import { dirname, join } from 'node:path';
import type { CliEnv } from '../env.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText } from '../failure.ts';

/** The directory of a user's profiles, by the platform's convention. */
export const profilesDirectory = (env: CliEnv): string => {
  if (env.own.KEYHOLD_CLI_CONFIG_DIR !== undefined) return env.own.KEYHOLD_CLI_CONFIG_DIR;
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Application Support', 'keyhold', 'cli');
  if (platform() === 'win32')
    return join(env.other('APPDATA') ?? join(homedir(), 'AppData', 'Roaming'), 'keyhold', 'cli');
  return join(env.other('XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'keyhold', 'cli');
};

const failure = (verb: string, path: string, error: unknown): CliFailure =>
  new CliFailure(
    exitCodes.notWritten,
    `${path} cannot be ${verb}: ${systemErrorText(error) ?? 'the operation failed'}.`,
    {
      cause: error,
    },
  );

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes(String((error as { code?: unknown }).code));

/** A file's text, or null where the file does not exist. */
export const readPrivate = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw failure('read', path, error);
  }
};

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/** Like `mkdir -p`. Node's own never returns on a file system that creates no directories, such as /proc. */
const createDirectories = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await createDirectories(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
};

/** Creates a directory with mode 0700 unless it exists, and checks that it is writable. Throws notWritten. */
export const createPrivateDirectory = async (path: string): Promise<void> => {
  try {
    await createDirectories(path);
    await access(path, constants.W_OK);
  } catch (error) {
    throw failure('written', path, error);
  }
};

/** Replaces a file atomically, with mode 0600 from the start; missing directories get mode 0700. Throws notWritten. */
export const writePrivate = async (path: string, text: string): Promise<void> => {
  const temporary = `${path}.${process.pid}-${performance.now()}.tmp`;
  try {
    await createDirectories(dirname(path));
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw failure('written', path, error);
  }
};

/** Removes a file if it exists. Throws notWritten. */
export const removePrivate = async (path: string): Promise<void> => {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw failure('removed', path, error);
  }
};

/** The names of the files with this suffix, without it; none where the directory does not exist. */
export const namesIn = async (directory: string, suffix: string): Promise<string[]> => {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length))
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw failure('read', directory, error);
  }
};

/** True where others than the owner can read the file. */
export const isExposed = async (path: string): Promise<boolean> =>
  platform() !== 'win32' && ((await stat(path)).mode & 0o077) !== 0;
