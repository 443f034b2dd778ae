import type { paths } from '../../client/index.ts';
import { usage } from '../failure.ts';
import type { Item } from './item.ts';

type ImportBody = paths['/api/v1/secrets/import']['post']['requestBody']['content']['application/json'];
export type RequestItem = ImportBody['items'][number];

/** Where a secret is imported to: its owner alone, or a session. */
export type Place = Pick<RequestItem, 'scope' | 'session_id'>;

/** One item of POST /secrets/import. */
export const requestItem = (item: Item, place: Place): RequestItem => ({
  name: item.name,
  type: item.type,
  value: item.value,
  ...place,
  ...(item.description === null ? {} : { description: item.description }),
  ...(item.tags.length === 0 ? {} : { tags: [...item.tags] }),
  ...(item.expiresAt === null ? {} : { expires_at: item.expiresAt.toISOString() }),
  ...(Object.keys(item.metadata).length === 0 ? {} : { metadata: item.metadata }),
  ...(item.exposure === 'reveal' ? {} : { exposure: item.exposure }),
});

const mebibyte = 1024 * 1024;
/** The service's limits, less some space for the rest of the request. */
const maxItems = 100_000;
const maxBytes = 64 * mebibyte - 1024;
/** Small enough to show progress, large enough to be fast. */
const maxChunkItems = 500;
const maxChunkBytes = 4 * mebibyte;

const sizeOf = (item: RequestItem): number => Buffer.byteLength(JSON.stringify(item)) + 1;

/** Throws usage when the items do not fit into one request. */
export const refuseTooLarge = (items: readonly RequestItem[]): void => {
  const size = items.reduce((sum, item) => sum + sizeOf(item), 0);
  if (items.length <= maxItems && size <= maxBytes) return;
  throw usage(
    `The file has ${items.length} secrets and ${Math.ceil(size / mebibyte)} MiB. One import can have at most 100000 secrets and 64 MiB. Split the file, or pass --chunked to import it in parts; if a part is refused, the earlier ones stay imported.`,
  );
};

/** Splits the items into parts of one request each. */
export const chunksOf = (items: readonly RequestItem[]): RequestItem[][] => {
  const chunks: RequestItem[][] = [];
  let current: RequestItem[] = [];
  let size = 0;
  for (const item of items) {
    const bytes = sizeOf(item);
    if (current.length > 0 && (current.length >= maxChunkItems || size + bytes > maxChunkBytes)) {
      chunks.push(current);
      current = [];
      size = 0;
    }
    current.push(item);
    size += bytes;
  }
  return current.length === 0 ? chunks : [...chunks, current];
};

export type Imported = paths['/api/v1/secrets/import']['post']['responses']['201']['content']['application/json'];
