import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { userReference } from '../secrets/people.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('share')
    .description('let another user list and reveal one of your secrets')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addArgument(argumentFrom('users', '<user>', 'their username or id'))
    .addHelpText('after', examples('keyhold share STRIPE_KEY grace'))
    .action((name: string, user: string) => share(context, name, user));
};

const share = async (context: CliContext, text: string, user: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(
    client.POST('/api/v1/secrets/{id}/share', { params: { path: { id } }, body: userReference(user) }),
  );
  context.out.note(`${secret.name} is now shared with ${printable(user)}.`);
  await context.out.result(secret, () => null);
};
