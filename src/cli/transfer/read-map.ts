import type { SecretType } from '../../core/secret-types.ts';
import { usage } from '../failure.ts';
import { type Contents, emptyReason, fittingName, type Item, plainItem, type Skipped } from './item.ts';
import { type Fields, isObject, itemOfRecord } from './record.ts';

/** How the values of a parsed document are read. */
export interface Reading {
  /** The text exactly as the file spells it; null where there is none, undefined where it is no single value. */
  spelling(value: unknown): string | null | undefined;
  /** As JSON values: numbers are numbers. */
  plain(value: unknown): unknown;
}

const named = <I extends Omit<Item, 'name'>>(original: string, item: I): I & { name: string } => {
  const { name, metadata } = fittingName(original);
  return { ...item, name, metadata: { ...item.metadata, ...metadata } };
};

const collect = (found: readonly (Item | Skipped)[]): Contents => ({
  items: found.filter((one): one is Item => 'value' in one),
  skipped: found.filter((one): one is Skipped => 'reason' in one),
});

const ofList = (list: readonly unknown[], reading: Reading, type: SecretType): Contents =>
  collect(
    list.map((fields, index) => {
      const source = isObject(fields) && typeof fields['name'] === 'string' ? fields['name'] : `item ${index + 1}`;
      if (!isObject(fields) || typeof fields['name'] !== 'string') throw usage(`${source} has no name.`);
      const value = reading.spelling(fields['value']);
      if (value === undefined) throw usage(`${source}: value must be a text.`);
      if (value === null || value === '') return { source, reason: emptyReason };
      return named(fields['name'], itemOfRecord(source, reading.plain(fields) as Fields, value, type));
    }),
  );

const ofMap = (map: Fields, reading: Reading, type: SecretType): Contents =>
  collect(
    Object.entries(map).map(([source, held]) => {
      const value = reading.spelling(held);
      if (value === undefined) {
        throw usage(`${source} holds more than one value. Give names with one value each, or a list of secrets.`);
      }
      if (value === null || value === '') return { source, reason: emptyReason };
      return named(source, { ...plainItem, source, value, type });
    }),
  );

/**
 * The secrets of a JSON or YAML document: names with their values, or a list of secrets with their fields (bare, or under
 * `secrets`).
 */
export const readDocument = (document: unknown, reading: Reading, type: SecretType): Contents => {
  if (Array.isArray(document)) return ofList(document, reading, type);
  if (!isObject(document)) throw usage('The file must hold names with their values, or a list of secrets.');
  const list = document['secrets'];
  return Array.isArray(list) ? ofList(list, reading, type) : ofMap(document, reading, type);
};
