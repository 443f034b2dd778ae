import { usage } from '../failure.ts';
import type { Reading } from './read-map.ts';

/** A number with its text in the file, since 1.10 is not the same secret as 1.1. */
class NumberWithText {
  readonly text: string;
  readonly value: number;

  constructor(text: string, value: number) {
    this.text = text;
    this.value = value;
  }
}

/** Undefined for invalid JSON. The parser's error quotes the file, so it is dropped. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' ? new NumberWithText(context?.source ?? String(value), value) : value,
    );
  } catch {
    return undefined;
  }
};

/** Parses JSON and keeps the text of numbers; `jsonReading` reads the result. Throws usage. */
export const parseJson = (text: string, name: string): unknown => {
  const document = parsed(text);
  if (document === undefined) throw usage(`${name} is not valid JSON.`);
  return document;
};

const plain = (value: unknown): unknown => {
  if (value instanceof NumberWithText) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const textOf: Reading['text'] = (value) => {
  if (value === null) return null;
  if (value instanceof NumberWithText) return value.text;
  if (typeof value === 'string') return value;
  return typeof value === 'boolean' ? String(value) : undefined;
};

export const jsonReading: Reading = { text: textOf, plain };
