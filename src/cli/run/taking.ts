import { answered, type Client, pages, type Secret } from '../../client/index.ts';
import { isUuid } from '../../core/ids.ts';
import { CliFailure, usage } from '../failure.ts';
import { exitCodes } from '../exit-codes.ts';
import { plain } from '../plain.ts';
import type { Taken } from './variables.ts';

/** Which secrets the command is to have. */
export interface Choice {
  /** Names or ids, also of other people's secrets; null for one's own. */
  readonly only: readonly string[] | null;
  /** Of one's own, those with this tag. */
  readonly tag: string | null;
}

const mostAtOnce = 100;

type Asked = { ids: string[] } | { names: string[] };
type Item = Awaited<ReturnType<typeof askFor>>[number];

const askFor = async (client: Client, body: Asked) =>
  (await answered(client.POST('/api/v1/secrets/reveal', { body }))).secrets;

const batches = (all: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(all.length / mostAtOnce) }, (_, index) =>
    all.slice(index * mostAtOnce, (index + 1) * mostAtOnce),
  );

const exitOf = ({ problem, candidates }: Item): number => {
  if (candidates) return exitCodes.ambiguous;
  return problem?.code === 'not_found' ? exitCodes.notFound : exitCodes.refused;
};

const sentenceOf = (item: Item, name: string): string => {
  const { problem, candidates } = item;
  if (candidates) {
    const list = candidates.map(({ id, owner_id }) => `${id} (owner ${owner_id})`).join(', ');
    return `${name} names several secrets: ${list}. Give one of the ids to --only.`;
  }
  if (problem?.code === 'not_found') return `There is no secret ${name} that you can reach here.`;
  return `${name}: ${problem?.detail ?? 'it was not revealed.'}`;
};

const takenOf = (item: Item, shown: string): Taken => {
  if (item.name !== undefined && item.value !== undefined) return { name: item.name, value: item.value };
  const detail = plain(sentenceOf(item, shown));
  throw new CliFailure(exitOf(item) as CliFailure['exitCode'], `${detail} Nothing was started.`);
};

const reveal = async (
  client: Client,
  kind: 'ids' | 'names',
  asked: readonly string[],
  shown: (asked: string) => string,
): Promise<Taken[]> => {
  const taken: Taken[] = [];
  for (const batch of batches(asked)) {
    const items = await askFor(client, kind === 'ids' ? { ids: batch } : { names: batch });
    taken.push(...items.map((item) => takenOf(item, shown(item.asked))));
  }
  return taken;
};

/** One's own live secrets in no session, and with a session those in it; there the session's comes before another of its name. */
const ownSecrets = async (client: Client, tag: string | null, inSession: boolean): Promise<Secret[]> => {
  const list = async (scope: { scope?: 'session'; session_id?: string }) => {
    const found: Secret[] = [];
    const query = { owner: 'me', state: 'live', limit: 200, ...(tag === null ? {} : { tag }), ...scope } as const;
    for await (const page of pages((cursor) =>
      answered(client.GET('/api/v1/secrets', { params: { query: { ...query, ...cursor } } })),
    )) {
      found.push(...page.secrets);
    }
    return found;
  };
  const all = await list({});
  const session = inSession ? await sessionOf(client) : null;
  const byName = new Map<string, Secret>();
  for (const secret of all.filter((one) => one.scope !== 'session')) byName.set(secret.name, secret);
  for (const secret of all.filter((one) => one.session_id !== null && one.session_id === session)) {
    byName.set(secret.name, secret);
  }
  return [...byName.values()];
};

const sessionOf = async (client: Client): Promise<string | null> =>
  (await answered(client.GET('/api/v1/auth/me'))).session_id ?? null;

const takeOnly = async (client: Client, only: readonly string[]): Promise<Taken[]> => {
  const unique = [...new Set(only)];
  const same = (asked: string): string => asked;
  const ids = await reveal(client, 'ids', unique.filter(isUuid), same);
  const names = await reveal(client, 'names', unique.filter((one) => !isUuid(one)), same);
  return [...names, ...ids];
};

/**
 * Reveals what was chosen: one's own secrets (all or by tag), or those that were named, whoever owns them. One that is
 * not revealed refuses the whole. `inSession` says that the client names a session.
 */
export const takeSecrets = async (client: Client, choice: Choice, inSession: boolean): Promise<Taken[]> => {
  if (choice.only !== null) return await takeOnly(client, choice.only);
  const own = await ownSecrets(client, choice.tag, inSession);
  if (own.length === 0 && choice.tag !== null) throw usage(`No live secret of yours has the tag ${choice.tag}.`);
  const names = new Map(own.map((secret) => [secret.id, secret.name]));
  return await reveal(client, 'ids', [...names.keys()], (id) => names.get(id) ?? id);
};
