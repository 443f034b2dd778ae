import { type Client, dataOf, pages, Refusal, type Secret, type SecretsQuery } from '../../client/index.ts';
import type { OwnerFilter, Scope, SecretState, SecretType } from '../../core/secret-types.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { createUsernames } from './people.ts';
import { ambiguous, nothingNamed, readReference, resolveSecret } from './resolve.ts';

export interface ListOptions {
  readonly type?: SecretType;
  readonly scope?: Scope;
  readonly tag?: string;
  readonly owner?: OwnerFilter;
  readonly state?: SecretState;
  readonly limit?: string;
}

const ask = (client: Client, query: SecretsQuery) => dataOf(client.GET('/api/v1/secrets', { params: { query } }));

const pageSize = 200;

const readLimit = (text: string | undefined): number => {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw usage('--limit takes a whole number from 1.');
  return Number(text);
};

const listed = async (client: Client, query: SecretsQuery, limit: number) => {
  const found: Secret[] = [];
  const damaged: string[] = [];
  for await (const page of pages((cursor) =>
    ask(client, { ...query, ...cursor, limit: Math.min(pageSize, limit - found.length) }),
  )) {
    found.push(...page.secrets);
    damaged.push(...page.damaged);
    if (found.length >= limit) break;
  }
  return { found: found.slice(0, limit), damaged };
};

const day = (instant: string | null): string => instant?.slice(0, 10) ?? '';

const headings = ['NAME', 'TYPE', 'SCOPE', 'OWNER', 'STATE', 'EXPIRES', 'TAGS', 'ID'];

const rowOf = (secret: Secret, owner: string): string[] => [
  secret.name,
  secret.type,
  secret.scope,
  owner,
  secret.state,
  day(secret.expires_at),
  secret.tags.join(','),
  secret.id,
];

/** `ls` */
export const list = async (context: CliContext, text: string | undefined, options: ListOptions): Promise<void> => {
  const { limit: limitText, ...filters } = options;
  const limit = readLimit(limitText);
  const client = await context.client();
  const query: SecretsQuery = { ...pick(filters), ...(text === undefined ? {} : { q: text }) };
  const { found, damaged } = await listed(client, query, limit);
  const usernames = createUsernames(client);
  await context.out.result(found, async () => {
    if (found.length === 0) {
      context.out.note('There is nothing to show.');
      return null;
    }
    const rows = await Promise.all(found.map(async (one) => rowOf(one, await usernames(one.owner_id))));
    return context.out.table(headings, rows);
  });
  if (damaged.length > 0) {
    context.out.warn(`keyhold: changed outside of Keyhold, and not shown: ${damaged.join(', ')}. Tell the operator.`);
  }
};

/** The command's own options are among those that every command has; only the filters go to the service. */
const pick = ({ type, scope, tag, owner, state }: Omit<ListOptions, 'limit'>): SecretsQuery => ({
  ...(type === undefined ? {} : { type }),
  ...(scope === undefined ? {} : { scope }),
  ...(tag === undefined ? {} : { tag }),
  ...(owner === undefined ? {} : { owner }),
  ...(state === undefined ? {} : { state }),
});

interface Value {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly value: string;
}

const valueById = (client: Client, id: string): Promise<Value> =>
  dataOf(client.GET('/api/v1/secrets/{id}/value', { params: { path: { id } } }));

/** A bare name is chosen by the service itself, in the request that reveals it. */
const valueByName = async (context: CliContext, client: Client, name: string): Promise<Value> => {
  const { secrets } = await dataOf(client.POST('/api/v1/secrets/reveal', { body: { names: [name] } }));
  const [item] = secrets;
  if (item?.value !== undefined && item.id !== undefined && item.version !== undefined)
    return { id: item.id, name, version: item.version, value: item.value };
  if (item?.candidates) throw await ambiguous(client, name, item.candidates);
  if (item?.problem === undefined || item.problem.code === 'not_found') throw await nothingNamed(context, client, name);
  throw new Refusal(item.problem);
};

/** Reveals the value of what a reference means. */
export const revealOne = async (context: CliContext, client: Client, text: string): Promise<Value> => {
  const reference = readReference(text);
  if ('id' in reference) return await valueById(client, reference.id);
  if (reference.owner === null) return await valueByName(context, client, reference.name);
  return await valueById(client, (await resolveSecret(context, client, text)).id);
};

const fieldOf = (secret: Secret, field: string): string => {
  if (!Object.hasOwn(secret, field)) {
    throw new CliFailure(
      exitCodes.usage,
      `A secret has no field of that name. It has: value, ${Object.keys(secret).sort().join(', ')}.`,
    );
  }
  const value: unknown = secret[field as keyof Secret];
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

const withLineEnd = (context: CliContext, text: string): string => (context.out.forPeople ? `${text}\n` : text);

/** `get`: the value alone, or one field. */
export const get = async (context: CliContext, text: string, { field }: { field?: string }): Promise<void> => {
  const client = await context.client();
  if (field !== undefined && field !== 'value') {
    const secret = await resolveSecret(context, client, text);
    const shown = fieldOf(secret, field);
    await context.out.result(secret[field as keyof Secret], () => `${shown}\n`);
    return;
  }
  const value = await revealOne(context, client, text);
  await context.out.result(field === undefined ? value : value.value, () => withLineEnd(context, value.value));
};
