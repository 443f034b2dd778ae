import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { createUsernames } from '../secrets/people.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('history')
    .description('list the versions of a secret’s value, newest first')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold history STRIPE_KEY'))
    .action((name: string) => history(context, name));
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
