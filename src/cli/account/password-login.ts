import { type Client, dataOf, NoAnswer } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';

/** Throws NoAnswer unless a Keyhold service answers: passwords are sent to nothing else. */
export const refuseUnlessKeyhold = async (client: Client, server: string): Promise<void> => {
  const { checks } = await dataOf(client.GET('/readyz'));
  if (typeof checks !== 'object' || !('schema' in checks)) {
    throw new NoAnswer(
      server,
      'not-keyhold',
      `${server} answers in a form that Keyhold does not use, so it is not a Keyhold service.`,
    );
  }
};

/** Throws usage where a password or token would be sent unencrypted to another machine. */
export const refuseUnencrypted = (server: string, what: string): void => {
  if (server.startsWith('https:') || isLoopback(server)) return;
  throw usage(
    `The ${what} would be sent to ${server} unencrypted. Use https://, or pass --allow-http on a network that you trust.`,
  );
};

const isLoopback = (server: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(new URL(server).hostname);

const maxPasswordBytes = 2048;

/** Reads a password or token as one line of stdin, or prompts for it. Throws usage where it is empty. */
export const readSecretLine = async (
  context: CliContext,
  what: 'password' | 'token',
  { fromStdin, question = '' }: { fromStdin: boolean; question?: string },
): Promise<string> => {
  const text = fromStdin
    ? (await context.input.all(maxPasswordBytes)).toString('utf8').replace(/\r?\n$/, '')
    : await context.input.hidden(question);
  if (text === '') throw usage(`The ${what} is empty.`);
  return text;
};

interface PasswordLogin {
  readonly server: string;
  readonly username: string;
  readonly password: string;
}

/** Logs in by password, runs `work` with that login, and logs out whether it succeeds or fails. */
export const withLogin = <T>(
  context: CliContext,
  login: PasswordLogin,
  work: (client: Client) => Promise<T>,
): Promise<T> => withLastingLogin(context, login, async (client) => await work(await client()));

/** An access token lasts 15 minutes; a client is used for less. */
const renewEveryMs = 5 * 60_000;

/** A client of a login that is renewed as needed, or at once with `renew`. To be called anew for each request. */
export type LastingClient = (renew?: boolean) => Promise<Client>;

/** As `withLogin`, for work that may outlast an access token. */
export const withLastingLogin = async <T>(
  context: CliContext,
  { server, username, password }: PasswordLogin,
  work: (client: LastingClient) => Promise<T>,
): Promise<T> => {
  const anonymous = await context.clientOf({ server });
  let granted = await dataOf(anonymous.POST('/api/v1/auth/login', { body: { username, password } }));
  let client = await context.clientOf({ server, token: granted.access_token });
  let since = Date.now();
  const current: LastingClient = async (renew = false) => {
    if (!renew && Date.now() - since < renewEveryMs) return client;
    const { refresh_token } = granted;
    granted = await dataOf(anonymous.POST('/api/v1/auth/refresh', { body: { refresh_token } }));
    client = await context.clientOf({ server, token: granted.access_token });
    since = Date.now();
    return client;
  };
  try {
    return await work(current);
  } finally {
    await client.POST('/api/v1/auth/logout').catch(() => {
      context.out.warn('keyhold: could not log out of the temporary login. It expires within 30 days.');
    });
  }
};

const ignoredSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Ignores Ctrl-C and signals to terminate until `work` is over, so that it is either done or undone. */
export const uninterrupted = async <T>(work: () => Promise<T>): Promise<T> => {
  const ignore = (): void => undefined;
  for (const signal of ignoredSignals) process.on(signal, ignore);
  try {
    return await work();
  } finally {
    for (const signal of ignoredSignals) process.off(signal, ignore);
  }
};
