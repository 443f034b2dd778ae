import { parse } from 'dotenv';
import { usage } from '../failure.ts';

export interface Variable {
  readonly name: string;
  readonly value: string;
}

const bare = /^[A-Za-z0-9_./:@%+,=-]+$/;

/** A quote that is nowhere in the value closes it, unless a backslash stands before. */
const quotable = (value: string, quote: string): boolean => !value.includes(quote) && !value.endsWith('\\');

const literal = (value: string, quote: string): string | null =>
  quotable(value, quote) && !value.includes('\r') ? `${quote}${value}${quote}` : null;

/** Only between double quotes can a carriage return stand, as `\r`; a backslash and an n or r there would become one. */
const double = (value: string): string | null =>
  quotable(value, '"') && !/\\[nr]/.test(value) ? `"${value.replaceAll('\r', '\\r')}"` : null;

/** Without quotes: one line, in which nothing begins a comment, a quotation or is trimmed away. */
const unquoted = (value: string): string | null =>
  value.trim() === value && !/[\r\n\u2028\u2029#]|^['"`]/.test(value) ? value : null;

/** The value as dotenv reads it back byte for byte, or null where there is no such spelling. */
const spell = (value: string): string | null => {
  if (bare.test(value)) return value;
  return literal(value, "'") ?? double(value) ?? literal(value, '`') ?? unquoted(value);
};

const cannot = (name: string): Error =>
  usage(`A .env file cannot hold the value of ${name} as it is. Export with --format json instead.`);

/**
 * A `.env` file that npm's dotenv reads back to exactly these variables. Throws usage, naming the variable, for one whose
 * value has no such spelling.
 */
export const writeEnv = (variables: readonly Variable[]): string => {
  const lines = variables.map(({ name, value }) => {
    const spelt = spell(value);
    if (spelt === null) throw cannot(name);
    return `${name}=${spelt}\n`;
  });
  const text = lines.join('');
  // What dotenv makes of it is the promise, not what we think of its rules.
  const read = parse(text);
  const wrong = variables.find(({ name, value }) => read[name] !== value);
  if (wrong) throw cannot(wrong.name);
  return text;
};
