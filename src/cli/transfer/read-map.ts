import type { SecretType } from '../../core/secret-types.ts';
import { usage } from '../failure.ts';
import { type Contents, emptyReason, type Item, itemDefaults, type Skipped, toValidName } from './item.ts';
import { type Fields, isObject, itemOfRecord } from './record.ts';

/** How to read the values of a parsed document. */
export interface Reading {
  /** The text exactly as in the file; null where there is none, undefined for a map or list. */
  text(value: unknown): string | null | undefined;
  /** The plain JSON value. */
  plain(value: unknown): unknown;
}

const named = <I extends Omit<Item, 'name'>>(original: string, item: I): I & { name: string } => {
  const { name, metadata } = toValidName(original);
  return { ...item, name, metadata: { ...item.metadata, ...metadata } };
};

const collect = (found: readonly (Item | Skipped)[]): Contents => ({
  items: found.filter((one): one is Item => 'value' in one),
  skipped: found.filter((one): one is Skipped => 'reason' in one),
});

const ofList = (list: readonly unknown[], reading: Reading, type: SecretType): Contents =>
  collect(
    list.map((fields, index) => {
      const source = isObject(fields) && typeof fields['name'] === 'string' ? fields['name'] : `Item ${index + 1}`;
      if (!isObject(fields) || typeof fields['name'] !== 'string') throw usage(`${source} has no name.`);
      const value = reading.text(fields['value']);
      if (value === undefined) throw usage(`The value of ${source} must be a string.`);
      if (value === null || value === '') return { source, reason: emptyReason };
      return named(fields['name'], itemOfRecord(source, reading.plain(fields) as Fields, value, type));
    }),
  );

const ofMap = (map: Fields, reading: Reading, type: SecretType): Contents =>
  collect(
    Object.entries(map).map(([source, content]) => {
      const value = reading.text(content);
      if (value === undefined) {
        throw usage(`${source} has more than one value. Give each name one value, or use a list of secrets.`);
      }
      if (value === null || value === '') return { source, reason: emptyReason };
      return named(source, { ...itemDefaults, source, value, type });
    }),
  );

/**
 * The secrets of a JSON or YAML document: names with their values, or a list of secrets with their fields, at the top
 * level or under `secrets`. Throws usage.
 */
export const readDocument = (document: unknown, reading: Reading, type: SecretType): Contents => {
  if (Array.isArray(document)) return ofList(document, reading, type);
  if (!isObject(document)) throw usage('The file must contain names with values, or a list of secrets.');
  const list = document['secrets'];
  return Array.isArray(list) ? ofList(list, reading, type) : ofMap(document, reading, type);
};
