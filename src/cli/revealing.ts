import { answered, type Client } from '../client/index.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { CliFailure } from './failure.ts';
import { plain } from './plain.ts';

/** A secret with its plaintext. */
export interface RevealedSecret {
  readonly id: string;
  readonly name: string;
  readonly value: string;
}

const mostAtOnce = 100;

type Asked = { ids: string[] } | { names: string[] };
type Item = Awaited<ReturnType<typeof ask>>[number];

const ask = async (client: Client, body: Asked) =>
  (await answered(client.POST('/api/v1/secrets/reveal', { body }))).secrets;

const exitOf = ({ problem, candidates }: Item): ExitCode => {
  if (candidates) return exitCodes.ambiguous;
  return problem?.code === 'not_found' ? exitCodes.notFound : exitCodes.refused;
};

const sentenceOf = ({ problem, candidates }: Item, shown: string): string => {
  if (candidates) {
    const known = candidates.map(({ id, owner_id }) => `${id} (owner ${owner_id})`).join(', ');
    return `${shown} names several secrets: ${known}. Ask for one by its id.`;
  }
  if (problem?.code === 'not_found') return `There is no secret ${shown} that you can reach here.`;
  return `${shown}: ${problem?.detail ?? 'it was not revealed.'}`;
};

const revealedOf = (item: Item, shown: string): RevealedSecret => {
  const { id, name, value } = item;
  if (id !== undefined && name !== undefined && value !== undefined) return { id, name, value };
  throw new CliFailure(exitOf(item), plain(sentenceOf(item, shown)));
};

/**
 * Reveals all of these, 100 in a request, by ids or by names (a name means the session's secret, then one's own, then one
 * shared with one). One that is not revealed refuses the whole; `shown` is how a sentence calls it.
 */
export const revealAll = async (
  client: Client,
  kind: 'ids' | 'names',
  asked: readonly string[],
  shown: (asked: string) => string = (one) => one,
): Promise<RevealedSecret[]> => {
  const revealed: RevealedSecret[] = [];
  for (let at = 0; at < asked.length; at += mostAtOnce) {
    const batch = asked.slice(at, at + mostAtOnce);
    const items = await ask(client, kind === 'ids' ? { ids: batch } : { names: batch });
    revealed.push(...items.map((item) => revealedOf(item, shown(item.asked))));
  }
  return revealed;
};
