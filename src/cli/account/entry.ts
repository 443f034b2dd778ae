import { type Client, dataOf, NoAnswer } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';

const mostPasswordBytes = 2048;

/** Throws NoAnswer where something else than Keyhold answers: a password goes to nobody else. */
export const refuseUnlessKeyhold = async (client: Client, server: string): Promise<void> => {
  const { checks } = await dataOf(client.GET('/readyz'));
  if (typeof checks !== 'object' || !('schema' in checks))
    throw new NoAnswer(
      server,
      'not-keyhold',
      `${server} answers in another form than Keyhold, so it is not a Keyhold service.`,
    );
};

const isLoopback = (server: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(new URL(server).hostname);

/** Throws usage where a password or token would travel in the clear to another machine. */
export const refuseInTheClear = (server: string, what: string): void => {
  if (server.startsWith('https:') || isLoopback(server)) return;
  throw usage(`The ${what} would travel to ${server} unencrypted. Use https://, or --allow-http if nobody listens.`);
};

/** One secret line from stdin, or from the person at the terminal. */
export const readSecretLine = async (context: CliContext, fromStdin: boolean, question: string): Promise<string> => {
  const text = fromStdin
    ? (await context.input.all(mostPasswordBytes)).toString('utf8').replace(/\r?\n$/, '')
    : await context.input.hidden(question);
  if (text === '') throw usage('It is empty.');
  return text;
};

/** A login that is ended again when `work` is over, whatever becomes of it. */
export const withLogin = async <T>(
  context: CliContext,
  { server, username, password }: { server: string; username: string; password: string },
  work: (client: Client) => Promise<T>,
): Promise<T> => {
  const open = await context.clientOf({ server });
  const granted = await dataOf(open.POST('/api/v1/auth/login', { body: { username, password } }));
  const client = await context.clientOf({ server, token: granted.access_token });
  try {
    return await work(client);
  } finally {
    await client.POST('/api/v1/auth/logout').catch(() => {
      context.out.warn('keyhold: the login for this could not be ended; it ends by itself within 30 days.');
    });
  }
};

const waiting = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Until `work` is over Ctrl-C and what ends programs wait: what is begun is then either done or taken back. */
export const uninterrupted = async <T>(work: () => Promise<T>): Promise<T> => {
  const ignore = (): void => undefined;
  for (const signal of waiting) process.on(signal, ignore);
  try {
    return await work();
  } finally {
    for (const signal of waiting) process.off(signal, ignore);
  }
};
