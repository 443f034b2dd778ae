import type { paths } from '../../client/index.ts';
import { usage } from '../failure.ts';
import type { Item } from './item.ts';

type ImportBody = paths['/api/v1/secrets/import']['post']['requestBody']['content']['application/json'];
export type RequestItem = ImportBody['items'][number];

/** Where a secret goes: to its owner alone, or into a session. */
export type Place = Pick<RequestItem, 'scope' | 'session_id'>;

/** One item as POST /secrets/import takes it. */
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
/** The service's own limits, with room for what stands around the items. */
const mostItems = 100_000;
const mostBytes = 64 * mebibyte - 1024;
/** Small enough to show progress, large enough to be quick. */
const chunkItems = 500;
const chunkBytes = 4 * mebibyte;

const sizeOf = (item: RequestItem): number => Buffer.byteLength(JSON.stringify(item)) + 1;

/** Throws with advice when the items don't go into one request. */
export const refuseTooLarge = (items: readonly RequestItem[]): void => {
  const size = items.reduce((sum, item) => sum + sizeOf(item), 0);
  if (items.length <= mostItems && size <= mostBytes) return;
  throw usage(
    `These are ${items.length} secrets of ${Math.ceil(size / mebibyte)} MiB; one import takes 100000 and 64 MiB, all or none. Split the file, or say --chunked: then each part is imported by itself, and what stands when one is refused stays.`,
  );
};

/** The items in parts, each of which is one request. */
export const chunksOf = (items: readonly RequestItem[]): RequestItem[][] => {
  const chunks: RequestItem[][] = [];
  let current: RequestItem[] = [];
  let size = 0;
  for (const item of items) {
    const bytes = sizeOf(item);
    if (current.length > 0 && (current.length >= chunkItems || size + bytes > chunkBytes)) {
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
