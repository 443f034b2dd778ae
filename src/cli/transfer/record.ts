import type { JsonObject } from '../../core/json.ts';
import { type Exposure, exposures, type SecretType, secretTypes } from '../../core/secret-types.ts';
import { usage } from '../failure.ts';
import { readInstant } from './instant.ts';
import { type Item, plainItem } from './item.ts';

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const isText = (value: unknown): value is string => typeof value === 'string';
const absent = (value: unknown): boolean => value === undefined || value === null;

/** Reads the optional fields of one record of a file; what is of another form than its field's refuses the file. */
export const readFields = (source: string, fields: Fields) => {
  const refuse = (field: string, detail: string) => usage(`${source}: ${field} ${detail}`);
  return {
    text: (field: string): string | null => {
      const value = fields[field];
      if (absent(value)) return null;
      if (!isText(value)) throw refuse(field, 'must be a text.');
      return value;
    },
    tags: (): readonly string[] => {
      const value = fields['tags'];
      if (absent(value)) return [];
      if (!Array.isArray(value) || !value.every(isText)) throw refuse('tags', 'must be a list of texts.');
      return value;
    },
    moment: (field: string): Date | null => {
      const value = fields[field];
      if (absent(value) || value === '') return null;
      const moment = readInstant(value);
      if (moment === null) throw refuse(field, 'must be a moment such as 2027-01-31T12:00:00Z.');
      return moment;
    },
    metadata: (): JsonObject => {
      const value = fields['metadata'];
      if (absent(value)) return {};
      if (!isObject(value)) throw refuse('metadata', 'must be an object.');
      return value as JsonObject;
    },
  };
};

export const isType = (text: string | null): text is SecretType =>
  text !== null && (secretTypes as readonly string[]).includes(text);

const isExposure = (text: string): text is Exposure => (exposures as readonly string[]).includes(text);

const known = new Set(['name', 'type', 'value', 'description', 'tags', 'expires_at', 'metadata', 'exposure']);

/** One record of a list of secrets, as `keyhold export --format json` writes it. `value` was read by the caller. */
export const itemOfRecord = (source: string, fields: Fields, value: string, type: SecretType): Omit<Item, 'name'> => {
  const stranger = Object.keys(fields).find((field) => !known.has(field));
  if (stranger !== undefined)
    throw usage(`${source}: ${stranger} is not a field of a secret (${[...known].join(', ')}).`);
  const read = readFields(source, fields);
  const named = read.text('type');
  if (named !== null && !isType(named)) throw usage(`${source}: type must be one of ${secretTypes.join(', ')}.`);
  const exposure = read.text('exposure') ?? 'reveal';
  if (!isExposure(exposure)) throw usage(`${source}: exposure must be one of ${exposures.join(', ')}.`);
  return {
    ...plainItem,
    source,
    value,
    type: named ?? type,
    description: read.text('description'),
    tags: read.tags(),
    expiresAt: read.moment('expires_at'),
    metadata: read.metadata(),
    exposure,
  };
};
