import { hostname } from 'node:os';
import { type Client, dataOf, NoAnswer, Refusal } from '../../client/index.ts';
import { tokenIdOf, tokenPrefix } from '../../core/token-form.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { isProfileName, type Profile, serverAddress } from '../profiles/index.ts';
import { readDays } from '../secrets/instants.ts';
import { readSecretLine, refuseInTheClear, refuseUnlessKeyhold, uninterrupted, withLogin } from './entry.ts';

export interface LoginOptions {
  readonly server?: string;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly tokenStdin?: boolean;
  readonly days: string;
  readonly allowHttp: boolean;
}

const chosenServer = async (context: CliContext, asked: string | undefined, option: string | undefined) => {
  if (asked !== undefined && option !== undefined) throw usage('Give the server once.');
  const text = asked ?? option ?? context.env.own.KEYHOLD_CLI_SERVER;
  if (text !== undefined) return serverAddress(text);
  const profile = await context.profiles.read(await context.profiles.chosen());
  if (profile === null) throw usage('Say which server: keyhold login https://keyhold.example.org');
  return profile.server;
};

const nameOf = (server: string): string => new URL(server).host.replaceAll(/[^A-Za-z0-9.-]/g, '-');

/** A name that no profile has yet. */
const freshName = (wanted: string, taken: readonly string[]): string => {
  const base = isProfileName(wanted) ? wanted : 'server';
  const names = [base, ...taken.map((_, at) => `${base.slice(0, 58)}-${at + 2}`)];
  return names.find((name) => !taken.includes(name)) ?? base;
};

/** The profile to log in to: the one that was named, one of this server, or a new one; never another server's. */
const chosenProfile = async (context: CliContext, server: string): Promise<string> => {
  const { profiles } = context;
  const own = await profiles.chosen();
  if (context.options().profile ?? context.env.own.KEYHOLD_CLI_PROFILE) return own;
  const names = await profiles.names();
  for (const name of [own, ...names]) {
    const profile = await profiles.read(name);
    if (profile?.server === server) return name;
  }
  return names.includes(own) ? freshName(nameOf(server), names) : own;
};

/** Makes the token that is stored. It may what its user may, but not administer: that is done beside the service. */
const mint = async (client: Client, seconds: number) => {
  const { user, permissions } = await dataOf(client.GET('/api/v1/auth/me'));
  const made = await dataOf(
    client.POST('/api/v1/auth/tokens', {
      body: {
        name: `keyhold on ${hostname()}`.slice(0, 128),
        permissions: permissions.filter((one) => one !== 'admin') as Permissions,
        expires_in: seconds,
      },
    }),
  );
  if (made.token === undefined) throw new Error('the service made a token without showing it');
  return { user, id: made.id, expiresAt: made.expires_at, token: made.token };
};

type Permissions = import('../../client/index.ts').PermissionName[];

const revoke = async (client: Client, id: string): Promise<void> => {
  await client.DELETE('/api/v1/auth/tokens/{id}', { params: { path: { id } } });
};

/** What a profile holds before it is written over: forgotten, its token would stay good with nobody to revoke it. */
interface Earlier {
  readonly profile: Profile;
  readonly token: string | null;
}

const earlierIn = async ({ profiles }: CliContext, name: string): Promise<Earlier | null> => {
  const profile = await profiles.read(name);
  return profile && { profile, token: await profiles.tokenOf(name, profile) };
};

/** Ends the earlier login by its own credential, whoever's it is; the new one stands whether that succeeds or not. */
const endEarlier = async (context: CliContext, name: string, earlier: Earlier | null, now: string): Promise<void> => {
  if (earlier === null || earlier.token === now) return;
  const { server, username } = earlier.profile;
  await context.profiles.forgetEarlier(name, earlier.profile);
  try {
    if (earlier.token === null) throw noToken();
    await revokeStored(await context.clientOf({ server, token: earlier.token }));
  } catch {
    context.out.warn(`keyhold: the earlier login of ${printable(username)} at ${server} could not be revoked.`);
  }
};

/** A token is made, stored, and taken back where it cannot be stored. */
const remember = async (context: CliContext, client: Client, server: string, seconds: number): Promise<string> => {
  const name = await chosenProfile(context, server);
  const earlier = await earlierIn(context, name);
  const { user, id, expiresAt, token } = await mint(client, seconds);
  const profile = { server, username: user.username, user_id: user.id, token_id: id, expires_at: expiresAt };
  try {
    await context.profiles.save(name, profile, token);
  } catch (error) {
    await revoke(client, id);
    throw error;
  }
  await endEarlier(context, name, earlier, token);
  await welcome(context, name, server, user.username);
  return name;
};

const welcome = async (context: CliContext, name: string, server: string, username: string): Promise<void> => {
  if (!(context.options().profile ?? context.env.own.KEYHOLD_CLI_PROFILE)) await context.profiles.use(name);
  context.out.note(`Logged in to ${server} as ${printable(username)} (profile ${name}).`);
  if (context.env.own.KEYHOLD_CLI_TOKEN !== undefined) {
    context.out.warn('keyhold: KEYHOLD_CLI_TOKEN is set and comes before this login.');
  }
};

const byPassword = async (context: CliContext, server: string, options: LoginOptions): Promise<void> => {
  const seconds = readDays(options.days);
  if (options.passwordStdin && options.username === undefined) throw usage('--password-stdin needs --username.');
  if (!options.allowHttp) refuseInTheClear(server, 'password');
  const open = await context.clientOf({ server });
  await context.profiles.prepare();
  await refuseUnlessKeyhold(open, server);
  const username = options.username ?? (await context.input.line(`Username at ${server}: `));
  const password = await readSecretLine(
    context,
    options.passwordStdin ?? false,
    `Password of ${printable(username)}: `,
  );
  await uninterrupted(() =>
    withLogin(context, { server, username, password }, (client) => remember(context, client, server, seconds)),
  );
};

/** A token of ours is stored as it is; with a login's or an external issuer's a lasting one is made. */
const byToken = async (context: CliContext, server: string, options: LoginOptions): Promise<void> => {
  const seconds = readDays(options.days);
  if (!options.allowHttp) refuseInTheClear(server, 'token');
  const token = await readSecretLine(context, true, '');
  if (!/^[\x21-\x7e]+$/.test(token)) throw usage('stdin holds something else than one token.');
  await refuseUnlessKeyhold(await context.clientOf({ server }), server);
  const client = await context.clientOf({ server, token });
  await context.profiles.prepare();
  if (!token.startsWith(tokenPrefix)) {
    await uninterrupted(() => remember(context, client, server, seconds));
    return;
  }
  const { user } = await dataOf(client.GET('/api/v1/auth/me'));
  const name = await chosenProfile(context, server);
  const known = { server, username: user.username, user_id: user.id, token_id: tokenIdOf(token), expires_at: null };
  const earlier = await earlierIn(context, name);
  await context.profiles.save(name, known, token);
  await endEarlier(context, name, earlier, token);
  await welcome(context, name, server, user.username);
};

/** `login` */
export const logIn = async (context: CliContext, asked: string | undefined, options: LoginOptions): Promise<void> => {
  const server = await chosenServer(context, asked, options.server);
  if (options.tokenStdin) await byToken(context, server, options);
  else await byPassword(context, server, options);
};

const revokeStored = async (client: Client): Promise<void> => {
  try {
    await client.POST('/api/v1/auth/logout');
  } catch (error) {
    // Revoked or expired already: it only remains to be forgotten.
    if (!(error instanceof Refusal && error.problem.code === 'unauthenticated')) throw error;
  }
};

const cannotRevoke = (error: NoAnswer): CliFailure =>
  new CliFailure(
    exitCodes.unreachable,
    `${error.message} The token was not revoked. To forget it all the same: keyhold logout --forget`,
    error,
  );

const noToken = (): CliFailure =>
  new CliFailure(
    exitCodes.loggedOut,
    'The keyring does not give the token, so that it was not revoked. Unlock it, or forget the login all the same: keyhold logout --forget',
  );

/** `logout` */
export const logOut = async (context: CliContext, { forget = false }: { forget?: boolean }): Promise<void> => {
  if (context.env.own.KEYHOLD_CLI_TOKEN !== undefined)
    throw usage('KEYHOLD_CLI_TOKEN is set, and no stored login is used. Unset it first.');
  const { profiles } = context;
  const name = await profiles.chosen();
  const profile = await profiles.read(name);
  if (profile === null) throw new CliFailure(exitCodes.loggedOut, 'You are not logged in.');
  const token = forget ? null : await profiles.tokenOf(name, profile);
  if (token === null && !forget) throw noToken();
  if (token !== null) {
    const client = await context.clientOf({ server: profile.server, token });
    await revokeStored(client).catch((error: unknown) => {
      throw error instanceof NoAnswer ? cannotRevoke(error) : error;
    });
  }
  await profiles.remove(name);
  const how = token === null ? 'forgotten; its token is good until it is revoked or expires' : 'revoked and forgotten';
  context.out.note(`The login of ${printable(profile.username)} at ${profile.server} is ${how}.`);
};

/** `whoami` */
export const whoAmI = async (context: CliContext): Promise<void> => {
  const { server, profile } = await context.connection();
  const client = await context.client();
  const me = await dataOf(client.GET('/api/v1/auth/me'));
  const rows: [string, string][] = [
    ['user', me.user.username],
    ['server', server],
    ['profile', profile ?? '(KEYHOLD_CLI_TOKEN)'],
    ['id', me.user.id],
    ['agent', me.agent ?? ''],
    ['session', me.session_id ?? ''],
    ['may', me.permissions.join(' ')],
    ['secrets open from', me.waiting_until ?? ''],
  ];
  const shown = rows.filter(([, value]) => value !== '');
  await context.out.result({ server, profile, ...me }, () => context.out.facts(shown));
};
