import { dataOf } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('whoami')
    .description('show the user, the server and the permissions of your login')
    .addHelpText('after', examples('keyhold whoami', 'keyhold whoami --json'))
    .action(() => whoAmI(context));
};

const whoAmI = async (context: CliContext): Promise<void> => {
  const { server, profile } = await context.connection();
  const client = await context.client();
  const me = await dataOf(client.GET('/api/v1/auth/me'));
  const rows: [string, string][] = [
    ['user', me.user.username],
    ['server', server],
    ['profile', profile ?? '(KEYHOLD_CLI_TOKEN)'],
    ['id', me.user.id],
    ['agent', me.agent ?? ''],
    ['session', me.session_id ?? ''],
    ['permissions', me.permissions.join(' ')],
    ['secrets open from', me.waiting_until ?? ''],
  ];
  const shown = rows.filter(([, value]) => value !== '');
  await context.out.result({ server, profile, ...me }, () => context.out.facts(shown));
};
