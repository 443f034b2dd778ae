import { rowTypes } from '../db/pool.ts';

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** The text of one field as COPY writes it in its text format, or null. */
const textOf = (field: string): string | null => {
  if (field === '\\N') return null;
  if (!field.includes('\\')) return field;
  return field.replaceAll(/\\(.)/gs, (_whole, mark: string) => escapes[mark] ?? mark);
};

type Parse = (text: string) => unknown;

/** Types whose oids are PostgreSQL's own and the same on every server. */
const firstUserOid = 16_384;

const parserOf = (oid: number): Parse =>
  oid < firstUserOid ? (rowTypes.getTypeParser(oid, 'text') as Parse) : (text) => text;

export type ReadRow = (line: Uint8Array) => Record<string, unknown> | null;

/** Reads rows as COPY writes them into what the driver would read; null for a line that is not a row of these columns. */
export const createRowReader = (columns: readonly { readonly name: string; readonly oid: number }[]): ReadRow => {
  const parsers = columns.map(({ name, oid }) => ({ name, parse: parserOf(oid) }));
  return (line) => {
    const fields = Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8').split('\t');
    if (fields.length !== parsers.length) return null;
    const row: Record<string, unknown> = {};
    for (const [at, { name, parse }] of parsers.entries()) {
      const text = textOf(fields[at] ?? '');
      row[name] = text === null ? null : parse(text);
    }
    return row;
  };
};
