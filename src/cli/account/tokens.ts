import { type Client, dataOf, type PermissionName } from '../../client/index.ts';
import { tokenPrefix } from '../../core/token-form.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { serverAddress } from '../profiles/index.ts';
import { readDays } from '../secrets/instants.ts';
import { readSecretLine, refuseUnencrypted, refuseUnlessKeyhold, uninterrupted, withLogin } from './password-login.ts';
import { revokeToken as revoke } from './revoke.ts';

export interface PasswordOptions {
  readonly passwordStdin?: boolean;
}

export interface CreateTokenOptions extends PasswordOptions {
  readonly permission?: readonly string[];
  readonly agent?: string;
  readonly forSession?: string;
  readonly days: string;
}

/** The user whose tokens these are, who proves it by the password. */
const holderOf = async (context: CliContext): Promise<{ server: string; username: string }> => {
  const { KEYHOLD_CLI_TOKEN: token, KEYHOLD_CLI_SERVER: server } = context.env.own;
  if (token !== undefined && server !== undefined) {
    const client = await context.client({ session: null });
    // The user accepted a profile's address when logging in; nobody has accepted one that only the environment names.
    refuseUnencrypted(serverAddress(server), 'password');
    const { user } = await dataOf(client.GET('/api/v1/auth/me'));
    return { server: serverAddress(server), username: user.username };
  }
  const connection = await context.connection();
  const profile = connection.profile === null ? null : await context.profiles.read(connection.profile);
  if (profile === null) throw new CliFailure(exitCodes.loggedOut, 'You are not logged in. Run: keyhold login <server>');
  return { server: connection.server, username: profile.username };
};

/** Runs `work` with the login in KEYHOLD_CLI_TOKEN, or with one by password that lasts as long as `work`. */
const asLogin = async <T>(
  context: CliContext,
  { passwordStdin = false }: PasswordOptions,
  work: (client: Client) => Promise<T>,
): Promise<T> => {
  const token = context.env.own.KEYHOLD_CLI_TOKEN;
  if (token !== undefined && !token.startsWith(tokenPrefix)) return await work(await context.client({ session: null }));
  const { server, username } = await holderOf(context);
  await refuseUnlessKeyhold(await context.clientOf({ server }), server);
  const password = await readSecretLine(context, 'password', {
    fromStdin: passwordStdin,
    question: `Password of ${printable(username)}: `,
  });
  return await uninterrupted(() => withLogin(context, { server, username, password }, work));
};

const notPrinted = (cause: unknown): CliFailure => {
  const code = cause instanceof CliFailure ? cause.exitCode : exitCodes.notWritten;
  return new CliFailure(code, 'The token could not be printed, so it was revoked.', { cause });
};

/** `token create`. A token that cannot be printed is revoked, since nobody could use it. */
export const createToken = async (context: CliContext, name: string, options: CreateTokenOptions): Promise<void> => {
  const seconds = readDays(options.days);
  const permissions = (options.permission ?? ['secrets:list', 'secrets:reveal']) as PermissionName[];
  await asLogin(context, options, async (client) => {
    const created = await dataOf(
      client.POST('/api/v1/auth/tokens', {
        body: {
          name,
          permissions,
          expires_in: seconds,
          ...(options.agent === undefined ? {} : { agent: options.agent }),
          ...(options.forSession === undefined ? {} : { session_id: options.forSession }),
        },
      }),
    );
    try {
      await context.out.result(created, () => `${created.token ?? ''}\n`);
    } catch (error) {
      await revoke(client, created.id);
      throw notPrinted(error);
    }
    context.out.note(
      `Created the token "${printable(name)}". It is shown only this once, and is valid until ${created.expires_at}.`,
    );
  });
};

const tokensOf = async (client: Client) => (await dataOf(client.GET('/api/v1/auth/tokens'))).tokens;

/** `token list` */
export const listTokens = async (context: CliContext, options: PasswordOptions): Promise<void> => {
  const tokens = await asLogin(context, options, tokensOf);
  await context.out.result(tokens, () =>
    context.out.table(
      ['NAME', 'AGENT', 'SESSION', 'EXPIRES', 'LAST USED', 'CAN', 'ID'],
      tokens.map((token) => [
        token.name,
        token.agent ?? '',
        token.session_id ?? '',
        token.expires_at,
        token.last_used_at ?? 'never',
        token.permissions.join(' '),
        token.id,
      ]),
    ),
  );
};

const chosen = async (client: Client, text: string) => {
  const tokens = await tokensOf(client);
  const found = tokens.filter((token) => (isUuid(text) ? token.id === text.toLowerCase() : token.name === text));
  const [only] = found;
  if (only === undefined) throw new CliFailure(exitCodes.notFound, 'You have no token with this name or id.');
  if (found.length > 1) {
    const list = found.map(({ id, expires_at }) => `  ${id} (until ${expires_at})`).join('\n');
    throw new CliFailure(exitCodes.ambiguous, `Several tokens have this name. Choose one by its id:\n${list}`);
  }
  return only;
};

/** `token revoke` */
export const revokeToken = async (context: CliContext, text: string, options: PasswordOptions): Promise<void> => {
  if (text.startsWith(tokenPrefix)) throw usage('Pass the token’s name or id, never the token itself.');
  const token = await asLogin(context, options, async (client) => {
    const found = await chosen(client, text);
    await revoke(client, found.id);
    return found;
  });
  context.out.note(`The token "${printable(token.name)}" was revoked.`);
};
