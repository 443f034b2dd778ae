import type { Client, Secret } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

interface RemoveOptions {
  readonly purge?: boolean;
  readonly yes?: boolean;
}

export const register = ({ program, context }: Registration): void => {
  program
    .command('rm')
    .description('delete one of your secrets; "keyhold recover" brings it back')
    .addArgument(argumentFrom('secrets', '<name>'))
    .option('--purge', 'erase it permanently, with its value and all versions')
    .option('-y, --yes', 'skip the confirmation')
    .addHelpText('after', examples('keyhold rm OLD_KEY', 'keyhold rm OLD_KEY --purge --yes'))
    .action((name: string, options: RemoveOptions) => remove(context, name, options));
};

const remove = async (
  context: CliContext,
  text: string,
  { purge = false, yes = false }: RemoveOptions,
): Promise<void> => {
  if (!yes && !context.input.canPrompt) throw usage(cannotPrompt);
  const client = await context.client();
  const { id, name } = await find(context, client, text, purge);
  const question = purge ? `Erase ${name} permanently, with all its versions?` : `Delete ${name}?`;
  if (!yes && !(await context.input.confirm(question))) {
    throw new CliFailure(exitCodes.interrupted, 'Nothing was deleted.');
  }
  await client.DELETE('/api/v1/secrets/{id}', { params: { path: { id }, query: { purge } } });
  context.out.note(purge ? `${name} was erased.` : `${name} was deleted. To bring it back, run: keyhold recover ${id}`);
  await context.out.result({ id, name, erased: purge }, () => null);
};

/** The secret to remove; --purge also takes a deleted one. */
const find = async (context: CliContext, client: Client, text: string, purge: boolean): Promise<Secret> => {
  try {
    return await resolveSecret(context, client, text);
  } catch (error) {
    if (!purge || !(error instanceof CliFailure) || error.exitCode !== exitCodes.notFound) throw error;
    return await resolveSecret(context, client, text, { state: 'deleted' });
  }
};
