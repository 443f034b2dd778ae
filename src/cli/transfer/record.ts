import type { JsonObject } from '../../core/json.ts';
import { type Exposure, exposures, type SecretType, secretTypes } from '../../core/secret-types.ts';
import { usage } from '../failure.ts';
import { readInstant } from './instant.ts';
import { type Item, itemDefaults } from './item.ts';

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const isText = (value: unknown): value is string => typeof value === 'string';
const isAbsent = (value: unknown): boolean => value === undefined || value === null;

/** Reads the optional fields of one record of a file. Each throws usage for a value of the wrong form. */
export const readFields = (source: string, fields: Fields) => {
  const refuse = (field: string, detail: string) => usage(`The ${field} of ${source} ${detail}`);
  return {
    text: (field: string): string | null => {
      const value = fields[field];
      if (isAbsent(value)) return null;
      if (!isText(value)) throw refuse(field, 'must be a string.');
      return value;
    },
    tags: (): readonly string[] => {
      const value = fields['tags'];
      if (isAbsent(value)) return [];
      if (!Array.isArray(value) || !value.every(isText)) throw refuse('tags', 'must be a list of strings.');
      return value;
    },
    instant: (field: string): Date | null => {
      const value = fields[field];
      if (isAbsent(value) || value === '') return null;
      const instant = readInstant(value);
      if (instant === null) throw refuse(field, 'must be a time such as 2027-01-31T12:00:00Z.');
      return instant;
    },
    metadata: (): JsonObject => {
      const value = fields['metadata'];
      if (isAbsent(value)) return {};
      if (!isObject(value)) throw refuse('metadata', 'must be an object.');
      return value as JsonObject;
    },
  };
};

export const isType = (text: string | null): text is SecretType =>
  text !== null && (secretTypes as readonly string[]).includes(text);

const isExposure = (text: string): text is Exposure => (exposures as readonly string[]).includes(text);

const known = new Set(['name', 'type', 'value', 'description', 'tags', 'expires_at', 'metadata', 'exposure']);

/** One record of a list of secrets, as `keyhold export --format json` writes it. The caller has read `value`. */
export const itemOfRecord = (source: string, fields: Fields, value: string, type: SecretType): Omit<Item, 'name'> => {
  const unknown = Object.keys(fields).find((field) => !known.has(field));
  if (unknown !== undefined) {
    throw usage(`${source} has an unknown field, ${unknown}. A secret has: ${[...known].join(', ')}.`);
  }
  const read = readFields(source, fields);
  const ownType = read.text('type');
  if (ownType !== null && !isType(ownType))
    throw usage(`The type of ${source} must be one of ${secretTypes.join(', ')}.`);
  const exposure = read.text('exposure') ?? 'reveal';
  if (!isExposure(exposure)) throw usage(`The exposure of ${source} must be one of ${exposures.join(', ')}.`);
  return {
    ...itemDefaults,
    source,
    value,
    type: ownType ?? type,
    description: read.text('description'),
    tags: read.tags(),
    expiresAt: read.instant('expires_at'),
    metadata: read.metadata(),
    exposure,
  };
};
