import { access, constants, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir, platform } from 'node:os';
import { dirname, join } from 'node:path';
import type { CliEnv } from '../env.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, troubleOf } from '../failure.ts';

/** Where a person's profiles lie, by the platform's custom. */
export const profilesDirectory = (env: CliEnv): string => {
  if (env.own.KEYHOLD_CLI_CONFIG_DIR !== undefined) return env.own.KEYHOLD_CLI_CONFIG_DIR;
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Application Support', 'keyhold', 'cli');
  if (platform() === 'win32')
    return join(env.other('APPDATA') ?? join(homedir(), 'AppData', 'Roaming'), 'keyhold', 'cli');
  return join(env.other('XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'keyhold', 'cli');
};

const trouble = (verb: string, path: string, error: unknown): CliFailure =>
  new CliFailure(exitCodes.notWritten, `${path} cannot be ${verb}: ${troubleOf(error) ?? 'it failed'}.`, {
    cause: error,
  });

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes(String((error as { code?: unknown }).code));

/** A file's text, or null where there is none. */
export const readPrivate = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw trouble('read', path, error);
  }
};

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/** As `mkdir -p`, by hand: Node's own never comes to an end where a file system makes no directories, such as /proc. */
const makeDirectories = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
};

/** A directory that, if it is new, is its owner's alone. */
export const makePrivateDirectory = async (path: string): Promise<void> => {
  try {
    await makeDirectories(path);
    await access(path, constants.W_OK);
  } catch (error) {
    throw trouble('written', path, error);
  }
};

/** Writes the whole file or leaves the old one: 0600 from its first moment, in a directory that, if it is new, is its owner's alone. */
export const writePrivate = async (path: string, text: string): Promise<void> => {
  const beside = `${path}.${process.pid}-${performance.now()}.tmp`;
  try {
    await makeDirectories(dirname(path));
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw trouble('written', path, error);
  }
};

export const removePrivate = async (path: string): Promise<void> => {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw trouble('removed', path, error);
  }
};

/** Names of the files with this ending, without it; none where the directory is not there. */
export const namesIn = async (directory: string, ending: string): Promise<string[]> => {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => name.endsWith(ending))
      .map((name) => name.slice(0, -ending.length))
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw trouble('read', directory, error);
  }
};

/** True where others than the owner may read the file. */
export const isExposed = async (path: string): Promise<boolean> =>
  platform() !== 'win32' && ((await stat(path)).mode & 0o077) !== 0;
