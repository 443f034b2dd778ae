import { Refusal } from '../../client/index.ts';
import { type LastingClient, readSecretLine, withLastingLogin } from '../account/password-login.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, interrupted } from '../failure.ts';
import { printable } from '../printable.ts';

export interface PasswordOptions {
  readonly passwordStdin?: boolean;
}

/** An administrator at work, for as long as a command takes. */
export interface Administrator {
  readonly client: LastingClient;
  /** Waits, or throws interrupted as soon as the command is asked to stop. */
  pause(ms: number): Promise<void>;
}

const stopping = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs `work` with a `pause` that ends with the first signal to stop, so that the login of the command is ended in order. */
const untilStopped = async <T>(work: (pause: Administrator['pause']) => Promise<T>): Promise<T> => {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of stopping) process.on(signal, onSignal);
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const refuse = (): void => {
        clearTimeout(timer);
        reject(interrupted());
      };
      const timer = setTimeout(() => {
        stop.signal.removeEventListener('abort', refuse);
        resolve();
      }, ms);
      if (stop.signal.aborted) refuse();
      else stop.signal.addEventListener('abort', refuse, { once: true });
    });
  try {
    return await work(pause);
  } finally {
    for (const signal of stopping) process.off(signal, onSignal);
  }
};

/**
 * Runs `work` with the token in KEYHOLD_CLI_TOKEN, or with a login by password that lasts as long as `work`: what `keyhold
 * login` stores may not administer.
 */
export const asAdministrator = async <T>(
  context: CliContext,
  { passwordStdin = false }: PasswordOptions,
  work: (administrator: Administrator) => Promise<T>,
): Promise<T> => {
  if (context.env.own.KEYHOLD_CLI_TOKEN !== undefined) {
    const client = await context.client({ session: null });
    return await untilStopped((pause) => work({ client: async () => client, pause }));
  }
  const { server, profile: name } = await context.connection();
  const profile = name === null ? null : await context.profiles.read(name);
  if (profile === null) throw new CliFailure(exitCodes.loggedOut, 'You are not logged in. Run: keyhold login <server>');
  const { username } = profile;
  const question = `Password of ${printable(username)}: `;
  const password = await readSecretLine(context, 'password', { fromStdin: passwordStdin, question });
  return await untilStopped((pause) =>
    withLastingLogin(context, { server, username, password }, (client) => work({ client, pause })),
  );
};

/** Runs `work`; where the service does not find what it is about, the failure says `message`. */
export const tellIfNotFound = async <T>(message: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    const isNotFound = cause instanceof Refusal && cause.problem.code === 'not_found';
    throw isNotFound ? new CliFailure(exitCodes.notFound, message, { cause }) : cause;
  }
};
