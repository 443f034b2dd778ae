import { Option } from 'commander';
import { type Client, dataOf, pages, type Secret, type SecretsQuery } from '../../client/index.ts';
import type { OwnerFilter, Scope, SecretState, SecretType } from '../../core/secret-types.ts';
import { ownerFilters, scopes, secretStates, secretTypes } from '../../core/secret-types.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { createUsernames } from '../secrets/people.ts';
import { examples, type Registration } from './registration.ts';

interface ListOptions {
  readonly type?: SecretType;
  readonly scope?: Scope;
  readonly tag?: string;
  readonly owner?: OwnerFilter;
  readonly state?: SecretState;
  readonly limit?: string;
}

export const register = ({ program, context }: Registration): void => {
  program
    .command('ls')
    .description('list the secrets that you have access to, newest first, without their values')
    .argument('[text]', 'only those whose name or description contains this')
    .addOption(new Option('--type <type>', 'only those of this type').choices(secretTypes))
    .addOption(new Option('--scope <scope>', 'only those of this scope').choices(scopes))
    .option('--tag <tag>', 'only those with this tag')
    .addOption(new Option('--owner <owner>', 'only your own, or only those of others').choices(ownerFilters))
    .addOption(new Option('--state <state>', 'only those in this state').choices(secretStates))
    .option('--limit <count>', 'at most this many')
    .addHelpText(
      'after',
      examples(
        'keyhold ls',
        'keyhold ls --owner others',
        'keyhold ls --tag billing --json',
        'keyhold ls --state deleted',
      ),
    )
    .action((text: string | undefined, options: ListOptions) => list(context, text, options));
};

const list = async (context: CliContext, text: string | undefined, options: ListOptions): Promise<void> => {
  const limit = readLimit(options.limit);
  const client = await context.client();
  const query: SecretsQuery = { ...filtersOf(options), ...(text === undefined ? {} : { q: text }) };
  const { found, damaged } = await listed(client, query, limit);
  const usernames = createUsernames(client);
  await context.out.result(found, async () => {
    if (found.length === 0) {
      context.out.note('No secrets found.');
      return null;
    }
    const rows = await Promise.all(found.map(async (one) => rowOf(one, await usernames(one.owner_id))));
    return context.out.table(headings, rows);
  });
  if (damaged.length > 0) {
    const ids = damaged.join(', ');
    context.out.warn(`keyhold: not shown, because they were changed outside of Keyhold: ${ids}. Tell the operator.`);
  }
};

const readLimit = (text: string | undefined): number => {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw usage('--limit must be a whole number, 1 or more.');
  return Number(text);
};

/** The options that the service filters by; commander passes those of every command along with them. */
const filtersOf = ({ type, scope, tag, owner, state }: ListOptions): SecretsQuery => ({
  ...(type === undefined ? {} : { type }),
  ...(scope === undefined ? {} : { scope }),
  ...(tag === undefined ? {} : { tag }),
  ...(owner === undefined ? {} : { owner }),
  ...(state === undefined ? {} : { state }),
});

const pageSize = 200;

const listed = async (client: Client, query: SecretsQuery, limit: number) => {
  const found: Secret[] = [];
  const damaged: string[] = [];
  const load = (cursor: { cursor?: string }) => {
    const page = { ...query, ...cursor, limit: Math.min(pageSize, limit - found.length) };
    return dataOf(client.GET('/api/v1/secrets', { params: { query: page } }));
  };
  for await (const page of pages(load)) {
    found.push(...page.secrets);
    damaged.push(...page.damaged);
    if (found.length >= limit) break;
  }
  return { found: found.slice(0, limit), damaged };
};

const headings = ['NAME', 'TYPE', 'SCOPE', 'OWNER', 'STATE', 'EXPIRES', 'TAGS', 'ID'];

const rowOf = (secret: Secret, owner: string): string[] => [
  secret.name,
  secret.type,
  secret.scope,
  owner,
  secret.state,
  secret.expires_at?.slice(0, 10) ?? '',
  secret.tags.join(','),
  secret.id,
];
