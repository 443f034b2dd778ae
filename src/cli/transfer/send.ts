import { answered, type Client, Refusal } from '../../client/index.ts';
import { plain } from '../plain.ts';
import type { Item } from './item.ts';
import type { Imported, OnConflict, RequestItem } from './request.ts';

export interface Outcome {
  readonly source: string;
  readonly name: string;
  readonly id: string | null;
  readonly outcome: string;
}

/** The service names an item by its place in the request; people know it by what their file calls it. */
const withSources = (error: unknown, items: readonly Item[]): unknown => {
  if (!(error instanceof Refusal)) return error;
  const detail = error.problem.detail.replace(/\bitems\/(\d+)(\/[a-z_]+)?/, (whole, index: string, field = '') => {
    const source = items[Number(index)]?.source;
    return source === undefined ? whole : `${plain(source)}${field === '' ? '' : ` (${field.slice(1)})`}`;
  });
  return new Refusal({ ...error.problem, detail }, error.retryAfter);
};

/** Imports one request's items, all or none; tells of each what became of it. */
export const sendItems = async (
  client: Client,
  requests: readonly RequestItem[],
  items: readonly Item[],
  options: { readonly onConflict: OnConflict; readonly dryRun: boolean },
): Promise<Outcome[]> => {
  if (requests.length === 0) return [];
  const body = { items: [...requests], on_conflict: options.onConflict, dry_run: options.dryRun };
  let imported: Imported;
  try {
    imported = await answered(client.POST('/api/v1/secrets/import', { body }));
  } catch (error) {
    throw withSources(error, items);
  }
  return imported.items.map(({ index, name, id, outcome }) => ({
    source: items[index]?.source ?? name,
    name,
    id,
    outcome,
  }));
};
