import { parse } from 'dotenv';
import { usage } from '../failure.ts';

export interface Variable {
  readonly name: string;
  readonly value: string;
}

const bare = /^[A-Za-z0-9_./:@%+,=-]+$/;

/** True if the quote is not in the value, and no backslash would escape the closing one. */
const quotable = (value: string, quote: string): boolean => !value.includes(quote) && !value.endsWith('\\');

const literal = (value: string, quote: string): string | null =>
  quotable(value, quote) && !value.includes('\r') ? `${quote}${value}${quote}` : null;

/** A carriage return can be written only between double quotes, as `\r`; there, a literal `\n` or `\r` would change. */
const double = (value: string): string | null =>
  quotable(value, '"') && !/\\[nr]/.test(value) ? `"${value.replaceAll('\r', '\\r')}"` : null;

/** Without quotes: one line that has no comment or leading quote and that trimming does not change. */
const unquoted = (value: string): string | null =>
  value.trim() === value && !/[\r\n\u2028\u2029#]|^['"`]/.test(value) ? value : null;

/** The value in a form that dotenv reads back byte for byte; null where there is none. */
const encode = (value: string): string | null => {
  if (bare.test(value)) return value;
  return literal(value, "'") ?? double(value) ?? literal(value, '`') ?? unquoted(value);
};

const cannot = (name: string): Error =>
  usage(`A .env file cannot hold the value of ${name} unchanged. Export with --format json instead.`);

/**
 * The text of a `.env` file that npm's dotenv reads back to exactly these variables. Throws usage where there is none.
 */
export const writeEnv = (variables: readonly Variable[]): string => {
  const lines = variables.map(({ name, value }) => {
    const encoded = encode(value);
    if (encoded === null) throw cannot(name);
    return `${name}=${encoded}\n`;
  });
  const text = lines.join('');
  // The promise is what dotenv reads, whatever we believe its rules to be.
  const read = parse(text);
  const wrong = variables.find(({ name, value }) => read[name] !== value);
  if (wrong) throw cannot(wrong.name);
  return text;
};
