import { type Client, dataOf } from '../client/index.ts';
import { exitCodes } from './exit-codes.ts';
import { CliFailure } from './failure.ts';
import { printable } from './printable.ts';
import { ambiguous } from './secrets/resolve.ts';

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
  (await dataOf(client.POST('/api/v1/secrets/reveal', { body }))).secrets;

const refusalOf = async (client: Client, { problem, candidates }: Item, shown: string): Promise<CliFailure> => {
  if (candidates) return await ambiguous(client, shown, candidates);
  if (problem?.code === 'not_found') {
    return new CliFailure(exitCodes.notFound, `There is no secret ${printable(shown)} that you can reach here.`);
  }
  return new CliFailure(exitCodes.refused, printable(`${shown}: ${problem?.detail ?? 'it was not revealed.'}`));
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
    for (const item of items) {
      const { id, name, value } = item;
      if (id === undefined || name === undefined || value === undefined) {
        throw await refusalOf(client, item, shown(item.asked));
      }
      revealed.push({ id, name, value });
    }
  }
  return revealed;
};
