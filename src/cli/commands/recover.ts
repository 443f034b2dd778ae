import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('recover')
    .description('bring a deleted secret back')
    .addArgument(argumentFrom('deleted-secrets', '<name>'))
    .addHelpText('after', examples('keyhold ls --state deleted', 'keyhold recover OLD_KEY'))
    .action((name: string) => recover(context, name));
};

const recover = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text, { state: 'deleted' });
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/recover', { params: { path: { id } } }));
  context.out.note(`${secret.name} is back.`);
  await context.out.result(secret, () => null);
};
