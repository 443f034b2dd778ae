import { type RawBuilder, sql } from 'kysely';
import { type ColumnKind, kindOf, type SealedTable } from '../crypto/seal.ts';
import { type SealedTableName, sealedTables, type Tables } from './tables/index.ts';

/** A row as PostgreSQL's `row_to_json` writes it. */
export type JsonRow = Readonly<Record<string, unknown>>;

const readers: Partial<Record<ColumnKind, (text: string) => unknown>> = {
  time: (text) => new Date(text),
  bytes: (text) => Buffer.from(text.slice(2), 'hex'),
};

type Reader = (row: Record<string, unknown>) => void;

const readerOf = (table: SealedTableName): Reader => {
  const { sealed, unsealed } = sealedTables[table] as SealedTable;
  const columns = [...Object.entries(sealed), ...Object.entries(unsealed)];
  const named = (kind: ColumnKind): string[] =>
    columns.filter(([, column]) => kindOf(column) === kind).map(([name]) => name);
  const times = named('time');
  const bytes = [...named('bytes'), 'seal'];
  const convert = (row: Record<string, unknown>, column: string, kind: ColumnKind): void => {
    const value = row[column];
    if (typeof value === 'string') row[column] = readers[kind]?.(value);
  };
  return (row) => {
    for (const column of times) convert(row, column, 'time');
    for (const column of bytes) convert(row, column, 'bytes');
  };
};

const tableReaders = new Map<SealedTableName, Reader>();

/**
 * A row of a sealed table out of JSON, in place: times become Dates, bytes Buffers. Many rows of several tables come so in
 * one statement, seen at one moment, each distinct one once, and are parsed by `JSON.parse` rather than column by column.
 */
export const rowOfJson = <T extends SealedTableName>(table: T, row: JsonRow): Tables[T] => {
  const reader = tableReaders.get(table) ?? readerOf(table);
  tableReaders.set(table, reader);
  reader(row as Record<string, unknown>);
  return row as unknown as Tables[T];
};

/** Rows of a query as one JSON array, for reading several sets in one statement. */
export const jsonArray = (from: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`(select coalesce(json_agg(x), '[]') from (${from}) as x)`;

const hexOf = (bytes: Uint8Array): string =>
  `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;

const withHex = (row: object): object => {
  const copy: Record<string, unknown> = { ...row };
  for (const column in copy) {
    const value = copy[column];
    if (value instanceof Uint8Array) copy[column] = hexOf(value);
  }
  return copy;
};

/** Rows for `json_populate_recordset`: one parameter however many there are. Dates write themselves as RFC 3339. */
export const jsonOfRows = (rows: readonly object[]): string => JSON.stringify(rows.map(withHex));
