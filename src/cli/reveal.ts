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

/** The service's maximum for one request. */
const maxBatchSize = 100;

/**
 * Reveals all of these, by id or by name. Of several secrets with one name, the session's comes first, then one's own,
 * then a shared one. If one is not revealed, the whole is refused; `labelOf` gives the name by which a message calls
 * it.
 */
export const revealAll = async (
  client: Client,
  kind: 'ids' | 'names',
  requested: readonly string[],
  labelOf: (requested: string) => string = (one) => one,
): Promise<RevealedSecret[]> => {
  const revealed: RevealedSecret[] = [];
  for (let at = 0; at < requested.length; at += maxBatchSize) {
    const batch = requested.slice(at, at + maxBatchSize);
    const items = await revealBatch(client, kind === 'ids' ? { ids: batch } : { names: batch });
    for (const item of items) {
      const { id, name, value } = item;
      if (id === undefined || name === undefined || value === undefined) {
        throw await failureOf(client, item, labelOf(item.asked));
      }
      revealed.push({ id, name, value });
    }
  }
  return revealed;
};

const revealBatch = async (client: Client, body: { ids: string[] } | { names: string[] }) =>
  (await dataOf(client.POST('/api/v1/secrets/reveal', { body }))).secrets;

type Item = Awaited<ReturnType<typeof revealBatch>>[number];

const failureOf = async (client: Client, { problem, candidates }: Item, label: string): Promise<CliFailure> => {
  if (candidates) return await ambiguous(client, label, candidates);
  if (problem?.code === 'not_found') {
    return new CliFailure(
      exitCodes.notFound,
      `Secret ${printable(label)} was not found, or you do not have access to it.`,
    );
  }
  const reason = problem?.detail ?? 'The service did not reveal it.';
  return new CliFailure(exitCodes.refused, printable(`${label} was not revealed. ${reason}`));
};
