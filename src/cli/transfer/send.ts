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

/** The service names an item by its place in the request; people know it by what their file calls it. */
const withSources = (error: unknown, items: readonly Item[], chunked: boolean): unknown => {
  if (!(error instanceof Refusal)) return error;
  const detail = error.problem.detail.replace(/\bitems\/(\d+)(\/[a-z_]+)?/, (whole, index: string, field = '') => {
    const source = items[Number(index)]?.source;
    return source === undefined ? whole : `${printable(source)}${field === '' ? '' : ` (${field.slice(1)})`}`;
  });
  const advice = [
    ...(chunked ? [] : ['Nothing was imported.']),
    ...(error.problem.code === 'name_taken' ? ['--on-conflict skip, update or rename says what becomes of such.'] : []),
  ];
  return new Refusal({ ...error.problem, detail: [detail, ...advice].join(' ') }, error.retryAfter);
};

/** Longer than the service lets one import take. */
const mostWaitingMs = 90_000;

/** How long the service asks to wait before it is asked again; null where the failure is another one. */
const secondsToWait = (error: unknown): number | null =>
  error instanceof Refusal && error.problem.code === 'overloaded' && error.retryAfter !== null
    ? Math.max(1, error.retryAfter)
    : null;

/**
 * The service lets one import in at a time, and does nothing for who comes meanwhile: that one waits here, as long as
 * the other may take.
 */
const inTurn = async <T>(
  context: CliContext,
  ask: () => Promise<T>,
  until = performance.now() + mostWaitingMs,
  told = false,
): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    const seconds = secondsToWait(error);
    if (seconds === null || performance.now() + seconds * 1000 > until) throw error;
    if (!told) context.out.note('The service is busy, perhaps with another import; waiting for it.');
    await sleep(seconds * 1000);
  }
  return await inTurn(context, ask, until, true);
};

/** Imports one request's items, all or none; tells of each what became of it. */
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
    imported = await inTurn(context, () => dataOf(client.POST('/api/v1/secrets/import', { body })));
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
