import { dataOf, Refusal } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('restore')
    .description('set a secret to the value of an earlier version')
    .addArgument(argumentFrom('secrets', '<name>'))
    .argument('<version>')
    .addHelpText('after', examples('keyhold restore STRIPE_KEY 3'))
    .action((name: string, version: string) => restore(context, name, version));
};

const restore = async (context: CliContext, text: string, version: string): Promise<void> => {
  if (!/^[1-9]\d{0,8}$/.test(version)) {
    throw usage('The version must be a whole number; "keyhold history" lists the versions.');
  }
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const params = { path: { id, v: version } };
  const call = dataOf(client.POST('/api/v1/secrets/{id}/versions/{v}/restore', { params }));
  const secret = await orNoVersion(text, version, call);
  context.out.note(`${secret.name} has the value of version ${version} again, as version ${secret.version}.`);
  await context.out.result(secret, () => null);
};

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
