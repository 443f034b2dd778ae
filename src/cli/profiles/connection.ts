import type { CliEnv } from '../env.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import type { Profile } from './profile.ts';
import type { ProfileStore } from './store.ts';

/** A server and the credential to use there. */
export interface Connection {
  readonly server: string;
  readonly token: string;
  /** Null where KEYHOLD_CLI_TOKEN gave the credential. */
  readonly profile: string | null;
}

/** An address as it is compared and stored: without a path or a trailing slash. Throws usage for anything else. */
export const serverAddress = (text: string): string => {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!url || !isHttp || url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '') {
    throw usage(
      'Give the server’s address without a path, such as https://keyhold.example.org or http://127.0.0.1:8420.',
    );
  }
  return url.origin;
};

/**
 * The connection that the environment and the chosen profile ask for. `requested` is the profile's name where the
 * command line or the environment names one. `mayPrompt` is false where a locked keyring must not ask to be unlocked.
 * Throws loggedOut where there is no credential.
 */
export const findConnection = async (
  env: CliEnv,
  store: ProfileStore,
  requested: string | null,
  mayPrompt: boolean,
): Promise<Connection> => {
  const { KEYHOLD_CLI_TOKEN: token, KEYHOLD_CLI_SERVER: server } = env.own;
  if (token !== undefined) return fromEnvironment(token, server);
  const { name, profile } =
    server === undefined ? await chosenProfile(store) : await profileOf(store, serverAddress(server), requested);
  const stored = await store.tokenOf(name, profile, mayPrompt);
  if (stored === null) {
    throw loggedOut(
      `The keyring did not return the token for ${profile.server}. Unlock the keyring, or run: keyhold login`,
    );
  }
  return { server: profile.server, token: stored, profile: name };
};

const loggedOut = (message: string): CliFailure => new CliFailure(exitCodes.loggedOut, message);

const fromEnvironment = (token: string, server: string | undefined): Connection => {
  if (server === undefined) {
    throw usage('Set KEYHOLD_CLI_SERVER together with KEYHOLD_CLI_TOKEN, so that the token goes to no other server.');
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw usage('KEYHOLD_CLI_TOKEN does not hold exactly one token.');
  return { server: serverAddress(server), token, profile: null };
};

interface NamedProfile {
  readonly name: string;
  readonly profile: Profile;
}

const chosenProfile = async (store: ProfileStore): Promise<NamedProfile> => {
  const name = await store.chosen();
  const profile = await store.read(name);
  if (profile !== null) return { name, profile };
  throw loggedOut(
    `You are not logged in. Run: keyhold login${name === 'default' ? '' : ` --profile ${name}`} <server>`,
  );
};

/**
 * The profile for an address that the environment names: a token goes to the server that issued it, and to no other.
 */
const profileOf = async (store: ProfileStore, server: string, requested: string | null): Promise<NamedProfile> => {
  const chosen = await store.chosen();
  const others = (await store.names()).filter((name) => name !== chosen);
  for (const name of requested === null ? [chosen, ...others] : [chosen]) {
    const profile = await store.read(name);
    if (profile?.server === server) return { name, profile };
  }
  throw loggedOut(`You are not logged in to ${server}. Run: keyhold login ${server}`);
};
