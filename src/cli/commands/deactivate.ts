import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('deactivate')
    .description('let nobody reveal or use one of your secrets until you activate it')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold deactivate STRIPE_KEY'))
    .action((name: string) => deactivate(context, name));
};

const deactivate = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/deactivate', { params: { path: { id } } }));
  context.out.note(`${secret.name} is inactive.`);
  await context.out.result(secret, () => null);
};
