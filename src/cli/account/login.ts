import { hostname } from 'node:os';
import { type Client, dataOf } from '../../client/index.ts';
import { offeredPermissions } from '../../core/permissions.ts';
import { tokenIdOf, tokenPrefix } from '../../core/token-form.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { showUnreadNotices } from '../notices/show.ts';
import { printable } from '../printable.ts';
import { isProfileName, type Profile, serverAddress } from '../profiles/index.ts';
import { readDays } from '../secrets/instants.ts';
import { showInvitationsOf } from '../sessions/invitations.ts';
import { readSecretLine, refuseUnencrypted, refuseUnlessKeyhold, uninterrupted, withLogin } from './password-login.ts';
import { noToken, revokeOwnToken, revokeToken } from './revoke.ts';

export interface LoginOptions {
  readonly server?: string;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly tokenStdin?: boolean;
  readonly days: string;
  readonly allowHttp: boolean;
}

/** `login` */
export const logIn = async (
  context: CliContext,
  argument: string | undefined,
  options: LoginOptions,
): Promise<void> => {
  const server = await chosenServer(context, argument, options.server);
  if (options.tokenStdin) await byToken(context, server, options);
  else await byPassword(context, server, options);
};

const chosenServer = async (
  context: CliContext,
  argument: string | undefined,
  option: string | undefined,
): Promise<string> => {
  if (argument !== undefined && option !== undefined) {
    throw usage('Pass the server either as the argument or as --server, not both.');
  }
  const text = argument ?? option ?? context.env.own.KEYHOLD_CLI_SERVER;
  if (text !== undefined) return serverAddress(text);
  const profile = await context.profiles.read(await context.profiles.chosen());
  if (profile === null)
    throw usage('Pass the server’s address, for example: keyhold login https://keyhold.example.org');
  return profile.server;
};

const byPassword = async (context: CliContext, server: string, options: LoginOptions): Promise<void> => {
  const seconds = readDays(options.days);
  if (options.passwordStdin && options.username === undefined) throw usage('--password-stdin needs --username.');
  if (!options.allowHttp) refuseUnencrypted(server, 'password');
  const anonymous = await context.clientOf({ server });
  await context.profiles.prepare();
  await refuseUnlessKeyhold(anonymous, server);
  const username = options.username ?? (await context.input.line(`Username at ${server}: `));
  const question = `Password of ${printable(username)}: `;
  const password = await readSecretLine(context, 'password', { fromStdin: options.passwordStdin ?? false, question });
  await uninterrupted(() =>
    withLogin(context, { server, username, password }, (client) => storeNewToken(context, client, server, seconds)),
  );
};

/**
 * Stores a Keyhold token as it is. With any other token, such as a login's, it creates a lasting one and stores that.
 */
const byToken = async (context: CliContext, server: string, options: LoginOptions): Promise<void> => {
  const seconds = readDays(options.days);
  if (!options.allowHttp) refuseUnencrypted(server, 'token');
  const token = await readSecretLine(context, 'token', { fromStdin: true });
  if (!/^[\x21-\x7e]+$/.test(token)) throw usage('stdin does not hold exactly one token.');
  await refuseUnlessKeyhold(await context.clientOf({ server }), server);
  const client = await context.clientOf({ server, token });
  await context.profiles.prepare();
  if (!token.startsWith(tokenPrefix)) {
    await uninterrupted(() => storeNewToken(context, client, server, seconds));
    return;
  }
  const { user } = await dataOf(client.GET('/api/v1/auth/me'));
  const name = await chosenProfile(context, server);
  const profile = { server, username: user.username, user_id: user.id, token_id: tokenIdOf(token), expires_at: null };
  const earlier = await earlierLogin(context, name);
  await context.profiles.save(name, profile, token);
  await revokeEarlier(context, name, earlier, token);
  await welcome(context, name, server, user.username);
  await showInvitationsOf(context, client);
  await showUnreadNotices(context, client);
};

/** Creates a token and stores it; revokes it again where it cannot be stored. */
const storeNewToken = async (context: CliContext, client: Client, server: string, seconds: number): Promise<void> => {
  const name = await chosenProfile(context, server);
  const earlier = await earlierLogin(context, name);
  const { user, id, expiresAt, token } = await createToken(client, seconds);
  const profile = { server, username: user.username, user_id: user.id, token_id: id, expires_at: expiresAt };
  try {
    await context.profiles.save(name, profile, token);
  } catch (error) {
    await revokeToken(client, id);
    throw error;
  }
  await revokeEarlier(context, name, earlier, token);
  await welcome(context, name, server, user.username);
  await showInvitationsOf(context, client);
  await showUnreadNotices(context, client);
};

const permissionsToStore = offeredPermissions.filter((one) => one !== 'admin');

/** Creates the token to store. It has its user's permissions, but not `admin`: administration is server-side work. */
const createToken = async (client: Client, seconds: number) => {
  const { user, permissions } = await dataOf(client.GET('/api/v1/auth/me'));
  const created = await dataOf(
    client.POST('/api/v1/auth/tokens', {
      body: {
        name: `keyhold on ${hostname()}`.slice(0, 128),
        permissions: permissionsToStore.filter((one) => permissions.includes(one)),
        expires_in: seconds,
      },
    }),
  );
  if (created.token === undefined) throw new Error('the service created a token without returning it');
  return { user, id: created.id, expiresAt: created.expires_at, token: created.token };
};

/** The profile to log in to: the requested one, one of this server, or a new one; never another server's. */
const chosenProfile = async (context: CliContext, server: string): Promise<string> => {
  const { profiles } = context;
  const chosen = await profiles.chosen();
  if (requestedProfile(context) !== null) return chosen;
  const names = await profiles.names();
  for (const name of [chosen, ...names]) {
    const profile = await profiles.read(name);
    if (profile?.server === server) return name;
  }
  return names.includes(chosen) ? unusedName(profileNameOf(server), names) : chosen;
};

const requestedProfile = (context: CliContext): string | null =>
  (context.options().profile ?? context.env.own.KEYHOLD_CLI_PROFILE) || null;

const profileNameOf = (server: string): string => new URL(server).host.replaceAll(/[^A-Za-z0-9.-]/g, '-');

const unusedName = (wanted: string, used: readonly string[]): string => {
  const base = isProfileName(wanted) ? wanted : 'server';
  const names = [base, ...used.map((_, at) => `${base.slice(0, 58)}-${at + 2}`)];
  return names.find((name) => !used.includes(name)) ?? base;
};

/** A login whose profile is overwritten. If it were only forgotten, its token would stay valid unnoticed. */
interface EarlierLogin {
  readonly profile: Profile;
  readonly token: string | null;
}

const earlierLogin = async ({ profiles }: CliContext, name: string): Promise<EarlierLogin | null> => {
  const profile = await profiles.read(name);
  return profile && { profile, token: await profiles.tokenOf(name, profile) };
};

/** Revokes the earlier login with its own token, even if it is another user's. The new login is valid either way. */
const revokeEarlier = async (
  context: CliContext,
  name: string,
  earlier: EarlierLogin | null,
  newToken: string,
): Promise<void> => {
  if (earlier === null || earlier.token === newToken) return;
  const { server, username } = earlier.profile;
  await context.profiles.forgetEarlier(name, earlier.profile);
  try {
    if (earlier.token === null) throw noToken();
    await revokeOwnToken(await context.clientOf({ server, token: earlier.token }));
  } catch {
    context.out.warn(`keyhold: the earlier login of ${printable(username)} at ${server} could not be revoked.`);
  }
};

const welcome = async (context: CliContext, name: string, server: string, username: string): Promise<void> => {
  if (requestedProfile(context) === null) await context.profiles.use(name);
  context.out.note(`Logged in to ${server} as ${printable(username)} (profile ${name}).`);
  if (context.env.own.KEYHOLD_CLI_TOKEN !== undefined) {
    context.out.warn('keyhold: KEYHOLD_CLI_TOKEN is set and takes precedence over this login.');
  }
};
