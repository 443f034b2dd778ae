import { invalid } from './errors.ts';
import type { JsonObject } from './json.ts';

const largest = 16 * 1024;
const deepest = 8;

const depthOf = (value: unknown): number =>
  value !== null && typeof value === 'object' ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

/** Metadata is kept as it is, within 16 KiB and 8 levels; throws invalid_request otherwise. */
export const checkMetadata = <T extends JsonObject | undefined>(metadata: T): T => {
  if (metadata === undefined) return metadata;
  if (Buffer.byteLength(JSON.stringify(metadata)) > largest) throw invalid('metadata', 'must have at most 16 KiB.');
  if (depthOf(metadata) > deepest) throw invalid('metadata', `must have at most ${deepest} levels.`);
  return metadata;
};
