import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('activate')
    .description('let a deactivated secret be revealed and used again')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold activate STRIPE_KEY'))
    .action((name: string) => activate(context, name));
};

const activate = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/activate', { params: { path: { id } } }));
  context.out.note(`${secret.name} is active.`);
  await context.out.result(secret, () => null);
};
