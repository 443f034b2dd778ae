import { dataOf } from '../../client/index.ts';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

interface TransferOptions {
  readonly toSession?: string;
  readonly toUser?: boolean;
}

export const register = ({ program, context }: Registration): void => {
  program
    .command('transfer')
    .description('move one of your secrets into a session, or out of one')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addOption(optionFrom('sessions', '--to-session <session>', 'into this session').conflicts('toUser'))
    .option('--to-user', 'back to you alone')
    .addHelpText(
      'after',
      examples(
        'keyhold transfer DEPLOY_KEY --to-session chat-42',
        'keyhold transfer DEPLOY_KEY --session chat-42 --to-user',
      ),
    )
    .action((name: string, options: TransferOptions) => transfer(context, name, options));
};

const transfer = async (context: CliContext, text: string, { toSession, toUser }: TransferOptions): Promise<void> => {
  if (toSession === undefined && !toUser) throw usage('Say where to move it: --to-session <session> or --to-user.');
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const body =
    toSession === undefined ? ({ scope: 'user' } as const) : ({ scope: 'session', session_id: toSession } as const);
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/transfer', { params: { path: { id } }, body }));
  context.out.note(
    toSession === undefined ? `${secret.name} is yours alone.` : `${secret.name} is in session ${toSession}.`,
  );
  await context.out.result(secret, () => null);
};
