import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('access')
    .description('show who has access to one of your secrets now, and why')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold access STRIPE_KEY'))
    .action((name: string) => access(context, name));
};

const reasons: Readonly<Record<string, string>> = {
  owner: 'owner',
  session: 'participant of its session',
  shared: 'it is shared with them',
};

const access = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const { access: entries } = await dataOf(client.GET('/api/v1/secrets/{id}/access', { params: { path: { id } } }));
  await context.out.result(entries, () =>
    context.out.table(
      ['USER', 'WHY', 'CAN'],
      entries.map(({ user_id, username, because, actions }) => [
        username ?? user_id,
        reasons[because] ?? because,
        actions.join(', '),
      ]),
    ),
  );
};
