import { usage } from '../failure.ts';
import type { Reading } from './read-map.ts';

/** A number with the text that the file has for it: 1.10 and 007 are not the same secret as 1.1 and 7. */
class SpeltNumber {
  readonly spelling: string;
  readonly value: number;

  constructor(spelling: string, value: number) {
    this.spelling = spelling;
    this.value = value;
  }
}

/** Undefined for what is no JSON: the parser's own error quotes the file, and goes no further. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' ? new SpeltNumber(context?.source ?? String(value), value) : value,
    );
  } catch {
    return undefined;
  }
};

/** JSON with numbers as they are spelt; `jsonReading` turns them back where they are numbers indeed. */
export const parseJson = (text: string, name: string): unknown => {
  const document = parsed(text);
  if (document === undefined) throw usage(`${name} is not valid JSON.`);
  return document;
};

const plain = (value: unknown): unknown => {
  if (value instanceof SpeltNumber) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const spelling: Reading['spelling'] = (value) => {
  if (value === null) return null;
  if (value instanceof SpeltNumber) return value.spelling;
  if (typeof value === 'string') return value;
  return typeof value === 'boolean' ? String(value) : undefined;
};

export const jsonReading: Reading = { spelling, plain };
