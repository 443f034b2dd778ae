import { join } from 'node:path';
import type { CliEnv } from '../env.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import type { Output } from '../output.ts';
import {
  createPrivateDirectory,
  isExposed,
  namesIn,
  profilesDirectory,
  readPrivate,
  removePrivate,
  writePrivate,
} from './files.ts';
import type { Keyring } from './keyring.ts';
import { isProfileName, type Profile, readProfile } from './profile.ts';

/** The profiles of this user, by name. Each has a file of its own, so that commands do not wait for each other. */
export interface ProfileStore {
  /** The name that this command line means: --profile, KEYHOLD_CLI_PROFILE, the one in use, or `default`. */
  chosen(): Promise<string>;
  names(): Promise<string[]>;
  /** Creates the directory of the profiles. Throws notWritten where that fails, before anything is done elsewhere. */
  prepare(): Promise<void>;
  /** Null where there is no profile of this name. Throws usage where its file is not a profile. */
  read(name: string): Promise<Profile | null>;
  /** Stores the token in the keyring where there is one, else in the profile's 0600 file. Throws notWritten. */
  save(name: string, profile: Omit<Profile, 'credential' | 'token'>, token: string): Promise<Profile>;
  /** The profile's token. With `mayPrompt` false, null where reading it could make the keyring ask to be unlocked. */
  tokenOf(name: string, profile: Profile, mayPrompt?: boolean): Promise<string | null>;
  /** Removes the token of an overwritten profile from the keyring. */
  forgetEarlier(name: string, earlier: Profile): Promise<void>;
  use(name: string): Promise<void>;
  /** Removes the profile and its token. */
  remove(name: string): Promise<void>;
}

/** `requested` gives the name that --profile or the environment asks for, once the command line is parsed. */
export const createProfileStore = (env: CliEnv, out: Output, requested: () => string | null): ProfileStore => {
  const directory = profilesDirectory(env);
  const currentFile = join(directory, 'current');
  const keyring = async (): Promise<Keyring> => (await import('./keyring.ts')).systemKeyring(env);
  const read = (name: string): Promise<Profile | null> => readProfileFile(pathOf(directory, name), out);

  return {
    chosen: async () => {
      const named = requested() ?? (await readPrivate(currentFile))?.trim();
      return named === undefined || named === '' ? 'default' : named;
    },
    names: async () => (await namesIn(directory, '.json')).filter(isProfileName),
    prepare: () => createPrivateDirectory(directory),
    read,
    save: async (name, profile, token) =>
      await saveProfile(pathOf(directory, name), accountOf(name, profile), await keyring(), profile, token),
    tokenOf: async (name, profile, mayPrompt = true) => {
      if (profile.credential === 'file') return profile.token ?? null;
      return await (await keyring()).get(accountOf(name, profile), mayPrompt);
    },
    forgetEarlier: async (name, earlier) => {
      if (earlier.credential !== 'keyring') return;
      const now = await read(name);
      const isOverwritten = now?.credential === 'keyring' && accountOf(name, now) === accountOf(name, earlier);
      if (!isOverwritten) await (await keyring()).remove(accountOf(name, earlier));
    },
    use: async (name) => {
      if ((await read(name)) === null) {
        throw new CliFailure(
          exitCodes.notFound,
          `There is no profile ${name}. "keyhold profile list" lists your profiles.`,
        );
      }
      await writePrivate(currentFile, `${name}\n`);
    },
    remove: async (name) => {
      const profile = await read(name);
      if (profile?.credential === 'keyring') await (await keyring()).remove(accountOf(name, profile));
      await removePrivate(pathOf(directory, name));
      if ((await readPrivate(currentFile))?.trim() === name) await removePrivate(currentFile);
    },
  };
};

const pathOf = (directory: string, name: string): string => {
  if (!isProfileName(name)) throw usage('A profile’s name has 1 to 64 letters, digits, ".", "_" and "-".');
  return join(directory, `${name}.json`);
};

/** What the keyring lists the token under. */
const accountOf = (name: string, { server, username }: Pick<Profile, 'server' | 'username'>): string =>
  `${name} ${username}@${server}`;

const readProfileFile = async (path: string, out: Output): Promise<Profile | null> => {
  const text = await readPrivate(path);
  if (text === null) return null;
  const profile = readProfile(text);
  if (profile === null) throw usage(`${path} is not a profile. Remove it and run "keyhold login" again.`);
  if (profile.credential === 'file' && (await isExposed(path))) {
    out.warn(`keyhold: other users can read ${path}. Run: chmod 600 '${path}'`);
  }
  return profile;
};

const saveProfile = async (
  path: string,
  account: string,
  keyring: Keyring,
  profile: Omit<Profile, 'credential' | 'token'>,
  token: string,
): Promise<Profile> => {
  const isInKeyring = await keyring.put(account, token);
  const saved: Profile = isInKeyring
    ? { ...profile, credential: 'keyring' }
    : { ...profile, credential: 'file', token };
  try {
    await writePrivate(path, `${JSON.stringify(saved, null, 2)}\n`);
  } catch (error) {
    if (isInKeyring) await keyring.remove(account);
    throw error;
  }
  return saved;
};
