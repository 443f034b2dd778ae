import { type RawBuilder, sql } from 'kysely';
import type { ColumnKind } from '../crypto/seal.ts';
import { type SealedTableName, sealedTables, type Tables } from './tables.ts';

/** A row as PostgreSQL's `row_to_json` writes it. */
export type JsonRow = Readonly<Record<string, unknown>>;

const readers: Partial<Record<ColumnKind, (text: string) => unknown>> = {
  time: (text) => new Date(text),
  bytes: (text) => Buffer.from(text.slice(2), 'hex'),
};

/** Unsealed columns that JSON writes as text: times that are only shown. */
const shownTimes: ReadonlySet<string> = new Set(['updated_at', 'last_used_at']);

type Reader = (row: Record<string, unknown>) => void;

const readerOf = (table: SealedTableName): Reader => {
  const kinds: Readonly<Record<string, ColumnKind>> = sealedTables[table].sealed;
  const unsealed = Object.keys(sealedTables[table].unsealed).filter((column) => shownTimes.has(column));
  const times = [...Object.keys(kinds).filter((column) => kinds[column] === 'time'), ...unsealed];
  const bytes = [...Object.keys(kinds).filter((column) => kinds[column] === 'bytes'), 'seal'];
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
