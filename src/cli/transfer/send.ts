import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, dataOf, Refusal } from '../../client/index.ts';
import type { OnConflict } from '../../core/secret-types.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import type { Item } from './item.ts';
import type { Imported, RequestItem } from './request.ts';

export interface Outcome {
  readonly source: string;
  readonly name: string;
  readonly id: string | null;
  readonly outcome: string;
}

/** The error with the file's own name of an item in place of its index in the request. */
const withSources = (error: unknown, items: readonly Item[], chunked: boolean): unknown => {
  if (!(error instanceof Refusal)) return error;
  const detail = error.problem.detail.replace(/\bitems\/(\d+)(\/[a-z_]+)?/, (whole, index: string, field = '') => {
    const source = items[Number(index)]?.source;
    return source === undefined ? whole : `${printable(source)}${field === '' ? '' : ` (${field.slice(1)})`}`;
  });
  const advice = [
    ...(chunked ? [] : ['Nothing was imported.']),
    ...(error.problem.code === 'name_taken'
      ? ['Pass --on-conflict skip, update or rename to choose what to do with existing names.']
      : []),
  ];
  return new Refusal({ ...error.problem, detail: [detail, ...advice].join(' ') }, error.retryAfter);
};

/** Longer than the service allows for one import. */
const maxWaitMs = 90_000;

/** How long an overloaded service asks to wait before trying again; null for another failure. */
const secondsToWait = (error: unknown): number | null =>
  error instanceof Refusal && error.problem.code === 'overloaded' && error.retryAfter !== null
    ? Math.max(1, error.retryAfter)
    : null;

/** The service runs one import at a time and refuses others. This waits and tries again for as long as one can take. */
const waitForTurn = async <T>(
  context: CliContext,
  send: () => Promise<T>,
  until = performance.now() + maxWaitMs,
  isRetry = false,
): Promise<T> => {
  try {
    return await send();
  } catch (error) {
    const seconds = secondsToWait(error);
    if (seconds === null || performance.now() + seconds * 1000 > until) throw error;
    if (!isRetry) context.out.note('The service is busy, perhaps with another import. Waiting for it.');
    await sleep(seconds * 1000);
  }
  return await waitForTurn(context, send, until, true);
};

/** Imports the items of one request, all or none, and resolves to the outcome of each. */
export const sendItems = async (
  context: CliContext,
  client: Client,
  requests: readonly RequestItem[],
  items: readonly Item[],
  options: { readonly onConflict: OnConflict; readonly dryRun: boolean; readonly chunked: boolean },
): Promise<Outcome[]> => {
  if (requests.length === 0) return [];
  const body = { items: [...requests], on_conflict: options.onConflict, dry_run: options.dryRun };
  let imported: Imported;
  try {
    imported = await waitForTurn(context, () => dataOf(client.POST('/api/v1/secrets/import', { body })));
  } catch (error) {
    throw withSources(error, items, options.chunked);
  }
  return imported.items.map(({ index, name, id, outcome }) => ({
    source: items[index]?.source ?? name,
    name,
    id,
    outcome,
  }));
};
