import { dataOf, type SecretStats } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { examples, type Registration } from './registration.ts';

type Dated = SecretStats['expiring'];

export const register = ({ program, context }: Registration): void => {
  program
    .command('status')
    .description('show what needs a look: what expires soon, what nobody uses, what is shared with whom')
    .addHelpText('after', examples('keyhold status', 'keyhold status --json'))
    .action(() => status(context));
};

const status = async (context: CliContext): Promise<void> => {
  const client = await context.client();
  const stats = await dataOf(client.GET('/api/v1/secrets/stats'));
  await context.out.result(stats, () => textOf(context, stats));
};

const textOf = ({ out }: CliContext, stats: SecretStats): string => {
  const counts: [string, string][] = [
    ['your secrets', String(stats.own)],
    ['of others', String(stats.from_others)],
    ...(['live', 'expired', 'inactive'] as const).map((state): [string, string] => [
      state,
      String(stats.by_state[state] ?? 0),
    ]),
  ];
  const parts = [
    out.facts(counts),
    dated(out, 'EXPIRES SOON', 'ON', stats.expiring),
    dated(out, 'TO BE ROTATED', 'ON', stats.rotation_due),
    dated(out, 'NOT USED FOR 90 DAYS', 'SINCE', stats.unused),
    listed(stats.shared_with, () =>
      out.table(
        ['SHARED WITH', 'SECRETS'],
        stats.shared_with.first.map(({ user_id, username, secrets }) => [username ?? user_id, String(secrets)]),
      ),
    ),
  ];
  return parts.filter((part) => part !== '').join('\n');
};

const dated = (out: CliContext['out'], heading: string, date: string, list: Dated): string =>
  listed(list, () =>
    out.table(
      [heading, date],
      list.first.map(({ name, at }) => [name, at.slice(0, 10)]),
    ),
  );

/** The table of what is listed, and how many more there are; nothing where there is none. */
const listed = (list: { readonly count: number; readonly first: readonly unknown[] }, table: () => string): string => {
  if (list.count === 0) return '';
  const more = list.count - list.first.length;
  return more === 0 ? table() : `${table()}and ${more} more\n`;
};
