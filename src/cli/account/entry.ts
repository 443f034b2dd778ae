import { answered, type Client, NoAnswer } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';

const mostPasswordBytes = 2048;

/** Throws NoAnswer where something else than Keyhold answers: a password goes to nobody else. */
export const refuseUnlessKeyhold = async (client: Client, server: string): Promise<void> => {
  const { checks } = await answered(client.GET('/readyz'));
  if (typeof checks !== 'object' || !('schema' in checks))
    throw new NoAnswer(
      server,
      'not-keyhold',
      `${server} answers in another form than Keyhold, so it is not a Keyhold service.`,
    );
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
  const granted = await answered(open.POST('/api/v1/auth/login', { body: { username, password } }));
  const client = await context.clientOf({ server, token: granted.access_token });
  try {
    return await work(client);
  } finally {
    await client.POST('/api/v1/auth/logout').catch(() => {
      context.out.warn('keyhold: the login for this could not be ended; it ends by itself within 30 days.');
    });
  }
};

/** Until `work` is over Ctrl-C waits: what is begun is then either done or taken back. */
export const uninterrupted = async <T>(work: () => Promise<T>): Promise<T> => {
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  try {
    return await work();
  } finally {
    process.off('SIGINT', ignore);
  }
};
