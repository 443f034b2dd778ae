import type { CliEnv } from '../env.ts';
import type { Output } from '../output.ts';
import { type Connection, findConnection } from './connection.ts';
import { createProfileStore, type ProfileStore } from './store.ts';

export { type Connection, serverAddress } from './connection.ts';
export { isProfileName, type Profile } from './profile.ts';

/** The servers that this user has logged in to. */
export interface Profiles extends ProfileStore {
  /**
   * The server and credential that this command line means. With `mayPrompt` false it is loggedOut where reading the
   * credential could make the keyring ask to be unlocked. Throws loggedOut or usage.
   */
  connection(mayPrompt?: boolean): Promise<Connection>;
}

/** `requested` gives the name that --profile or the environment asks for, once the command line is parsed. */
export const createProfiles = (env: CliEnv, out: Output, requested: () => string | null): Profiles => {
  const store = createProfileStore(env, out, requested);
  return { ...store, connection: (mayPrompt = true) => findConnection(env, store, requested(), mayPrompt) };
};
