import { join } from 'node:path';
import type { CliEnv } from '../env.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import type { Output } from '../output.ts';
import {
  isExposed,
  makePrivateDirectory,
  namesIn,
  profilesDirectory,
  readPrivate,
  removePrivate,
  writePrivate,
} from './files.ts';
import { isProfileName, type Profile, readProfile } from './profile.ts';

export { isProfileName, type Profile } from './profile.ts';

/** Whose credential is used where. */
export interface Standing {
  readonly server: string;
  readonly token: string;
  /** Null where KEYHOLD_CLI_TOKEN gave the credential. */
  readonly profile: string | null;
}

/** The servers that this person has logged in to, by name. Each lies in a file of its own, so that none waits for another. */
export interface Profiles {
  readonly directory: string;
  /** The name that this command line means: --profile, KEYHOLD_CLI_PROFILE, the one in use, or `default`. */
  chosen(): Promise<string>;
  names(): Promise<string[]>;
  /** Makes the directory of the profiles; throws notWritten where none can be made, before anything is done elsewhere. */
  prepare(): Promise<void>;
  /** Null where there is none of this name. Throws usage where the file is not one. */
  read(name: string): Promise<Profile | null>;
  /** Keeps the token in the keyring where there is one, else in the profile's 0600 file. Throws notWritten. */
  save(name: string, profile: Omit<Profile, 'credential' | 'token'>, token: string): Promise<Profile>;
  tokenOf(name: string, profile: Profile): Promise<string | null>;
  /** Takes the token that the profile held before it was written over out of the keyring. */
  forgetEarlier(name: string, earlier: Profile): Promise<void>;
  use(name: string): Promise<void>;
  /** Forgets profile and token. */
  remove(name: string): Promise<void>;
  standing(): Promise<Standing>;
}

const loggedOut = (message: string): CliFailure => new CliFailure(exitCodes.loggedOut, message);

/** An address as it is compared and stored: no path, no trailing slash. Throws usage for what is none. */
export const serverAddress = (text: string): string => {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!url || !isHttp || url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '') {
    throw usage(
      'A server is named by its address alone, such as https://keyhold.example.org or http://127.0.0.1:8420.',
    );
  }
  return url.origin;
};

const pathOf = (directory: string, name: string): string => {
  if (!isProfileName(name)) throw usage('A profile’s name has 1 to 64 letters, digits, ".", "_" and "-".');
  return join(directory, `${name}.json`);
};

export const createProfiles = (env: CliEnv, out: Output, asked: () => string | null): Profiles => {
  const directory = profilesDirectory(env);
  const currentFile = join(directory, 'current');
  const keyring = async () => (await import('./keyring.ts')).systemKeyring(env);
  const account = (name: string, { server, username }: Pick<Profile, 'server' | 'username'>): string =>
    `${name} ${username}@${server}`;

  const chosen = async (): Promise<string> => {
    const named = asked() ?? (await readPrivate(currentFile))?.trim();
    return named === undefined || named === '' ? 'default' : named;
  };

  const read = async (name: string): Promise<Profile | null> => {
    const path = pathOf(directory, name);
    const text = await readPrivate(path);
    if (text === null) return null;
    const profile = readProfile(text);
    if (profile === null) throw usage(`${path} is not a profile. Remove it and run "keyhold login" again.`);
    if (profile.credential === 'file' && (await isExposed(path)))
      out.warn(`keyhold: ${path} can be read by others. Run: chmod 600 '${path}'`);
    return profile;
  };

  const tokenOf = async (name: string, profile: Profile): Promise<string | null> =>
    profile.credential === 'file' ? (profile.token ?? null) : await (await keyring()).get(account(name, profile));

  const save: Profiles['save'] = async (name, profile, token) => {
    const path = pathOf(directory, name);
    const inFile: Profile = { ...profile, credential: 'file', token };
    const ring = await keyring();
    const kept = await ring.put(account(name, profile), token);
    const saved: Profile = kept ? { ...profile, credential: 'keyring' } : inFile;
    try {
      await writePrivate(path, `${JSON.stringify(saved, null, 2)}\n`);
    } catch (error) {
      if (kept) await ring.remove(account(name, profile));
      throw error;
    }
    return saved;
  };

  /** The profile for an address that the environment names: a token goes to the server that gave it, and to no other. */
  const forServer = async (server: string): Promise<{ name: string; profile: Profile }> => {
    const own = await chosen();
    const others = (await namesOf()).filter((name) => name !== own);
    for (const name of asked() === null ? [own, ...others] : [own]) {
      const profile = await read(name);
      if (profile?.server === server) return { name, profile };
    }
    throw loggedOut(`You are not logged in to ${server}. Run: keyhold login ${server}`);
  };

  const namesOf = async (): Promise<string[]> => (await namesIn(directory, '.json')).filter(isProfileName);

  const ofProfile = async (): Promise<{ name: string; profile: Profile }> => {
    const { KEYHOLD_CLI_SERVER: server } = env.own;
    if (server !== undefined) return await forServer(serverAddress(server));
    const name = await chosen();
    const profile = await read(name);
    if (profile === null) {
      const which = name === 'default' ? '' : ` --profile ${name}`;
      throw loggedOut(`You are not logged in. Run: keyhold login${which} <server>`);
    }
    return { name, profile };
  };

  const standing = async (): Promise<Standing> => {
    const { KEYHOLD_CLI_TOKEN: token, KEYHOLD_CLI_SERVER: server } = env.own;
    if (token !== undefined && server === undefined)
      throw usage('KEYHOLD_CLI_TOKEN needs KEYHOLD_CLI_SERVER beside it, so that it goes to no other server.');
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
      throw usage('KEYHOLD_CLI_TOKEN holds something else than one token.');
    if (token !== undefined && server !== undefined) return { server: serverAddress(server), token, profile: null };
    const { name, profile } = await ofProfile();
    const stored = await tokenOf(name, profile);
    if (stored === null) {
      throw loggedOut(`The keyring does not give the token of ${profile.server}. Unlock it, or run: keyhold login`);
    }
    return { server: profile.server, token: stored, profile: name };
  };

  return {
    directory,
    chosen,
    names: namesOf,
    prepare: () => makePrivateDirectory(directory),
    read,
    save,
    tokenOf,
    forgetEarlier: async (name, earlier) => {
      const now = await read(name);
      const same = now !== null && now.credential === 'keyring' && account(name, now) === account(name, earlier);
      if (earlier.credential === 'keyring' && !same) await (await keyring()).remove(account(name, earlier));
    },
    use: async (name) => {
      if ((await read(name)) === null) {
        throw new CliFailure(exitCodes.notFound, `There is no profile ${name}. "keyhold profile list" shows them.`);
      }
      await writePrivate(currentFile, `${name}\n`);
    },
    remove: async (name) => {
      const profile = await read(name);
      if (profile?.credential === 'keyring') await (await keyring()).remove(account(name, profile));
      await removePrivate(pathOf(directory, name));
      if ((await readPrivate(currentFile))?.trim() === name) await removePrivate(currentFile);
    },
    standing,
  };
};
