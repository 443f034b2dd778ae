import { type Client, dataOf, Refusal } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { createUsernames } from '../secrets/people.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('history')
    .description('list the versions of a secret’s value, newest first, or restore one')
    .addArgument(argumentFrom('secrets', '<name>'))
    .option('--restore <version>', 'set the secret to the value of this version')
    .addHelpText('after', examples('keyhold history STRIPE_KEY', 'keyhold history STRIPE_KEY --restore 3'))
    .action((name: string, { restore: version }: { restore?: string }) =>
      version === undefined ? history(context, name) : restore(context, name, version),
    );
};

const history = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const { versions } = await dataOf(client.GET('/api/v1/secrets/{id}/versions', { params: { path: { id } } }));
  const usernames = createUsernames(client);
  await context.out.result(versions, async () => {
    const rows = versions.map(async ({ version, created_at, created_by, current, destroyed_at }) => [
      String(version),
      created_at,
      await usernames(created_by),
      current ? 'current' : destroyed_at === null ? '' : 'erased',
    ]);
    return context.out.table(['VERSION', 'SET AT', 'BY', 'STATE'], await Promise.all(rows));
  });
};

const restore = async (context: CliContext, text: string, version: string): Promise<void> => {
  if (!/^[1-9]\d{0,8}$/.test(version)) {
    throw usage('The version must be a whole number; "keyhold history" lists the versions.');
  }
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await orNoVersion(text, version, restoreVersion(client, id, version));
  context.out.note(`${secret.name} has the value of version ${version} again, as version ${secret.version}.`);
  await context.out.result(secret, () => null);
};

const restoreVersion = (client: Client, id: string, version: string) =>
  dataOf(client.POST('/api/v1/secrets/{id}/versions/{v}/restore', { params: { path: { id, v: version } } }));

/** The secret was found a moment ago, so that "not found" can only mean the version. */
const orNoVersion = async <T>(text: string, version: string, call: Promise<T>): Promise<T> => {
  try {
    return await call;
  } catch (error) {
    throw error instanceof Refusal && error.problem.code === 'not_found' ? noVersion(text, version, error) : error;
  }
};

const noVersion = (text: string, version: string, cause: Refusal): CliFailure =>
  new CliFailure(
    exitCodes.notFound,
    `${text} has no version ${version} to restore. "keyhold history ${text}" lists the versions.`,
    { cause },
  );
