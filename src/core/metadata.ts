import { invalid } from './errors.ts';
import type { JsonObject } from './json.ts';

const maxBytes = 16 * 1024;
/** The levels of objects and lists that metadata can have. */
export const maxDepth = 8;

const depthOf = (value: unknown): number =>
  value !== null && typeof value === 'object' ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

/** jsonb writes numbers without an exponent, so that `1e300` takes 301 characters. */
const expansionOf = (value: unknown): number => {
  if (typeof value === 'number') return Math.abs(Number(String(value).split('e')[1] ?? 0));
  if (value === null || typeof value !== 'object') return 0;
  return Object.values(value).reduce((sum: number, item) => sum + expansionOf(item), 0);
};

/** Returns the metadata of this field unchanged. Throws `invalid_request` beyond 16 KiB or 8 levels. */
export const checkMetadata = <T extends JsonObject | undefined>(metadata: T, field = 'metadata'): T => {
  if (metadata === undefined) return metadata;
  const size = Buffer.byteLength(JSON.stringify(metadata)) + expansionOf(metadata);
  if (size > maxBytes) throw invalid(field, 'must have at most 16 KiB.');
  if (depthOf(metadata) > maxDepth) throw invalid(field, `must have at most ${maxDepth} levels.`);
  return metadata;
};
