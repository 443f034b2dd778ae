import { type RawBuilder, sql } from 'kysely';
import { type ColumnKind, kindOf, type SealedTable } from '../crypto/seal.ts';
import { readDatabaseTime } from './checks.ts';
import type { Db } from './database.ts';
import { type SealedTableName, sealedTables } from './tables/index.ts';

/** A row as a statement read it, which nobody has verified: each column may hold anything. */
export type RawRow = Readonly<Record<string, unknown>>;

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

const isRow = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Rows out of JSON, in place: times become Dates, bytes Buffers. Whatever is no row is left out. */
const rowsOfJson = (table: SealedTableName, json: unknown): RawRow[] => {
  const reader = tableReaders.get(table) ?? readerOf(table);
  tableReaders.set(table, reader);
  const rows = Array.isArray(json) ? json.filter(isRow) : [];
  for (const row of rows) reader(row);
  return rows;
};

const jsonArray = (from: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`(select coalesce(json_agg(x), '[]') from (${from}) as x)`;

/** One set of rows of a sealed table, and the statement that selects them. */
interface RowSet {
  readonly of: SealedTableName;
  readonly select: RawBuilder<unknown>;
}

/**
 * Reads several sets of rows in one statement, seen at one moment together with the database's time. They come as JSON,
 * since `JSON.parse` is quicker than parsing column by column. `common` holds the common table expressions that the
 * sets select from. Throws `unavailable` when the database gives no valid time.
 */
export const readTogether = async <Name extends string>(
  db: Db,
  common: RawBuilder<unknown>,
  sets: Readonly<Record<Name, RowSet>>,
): Promise<{ readonly dbNow: Date; readonly rows: Readonly<Record<Name, readonly RawRow[]>> }> => {
  const named = Object.entries<RowSet>(sets);
  const parts = named.map(([name, { select }]) => sql`${sql.lit(name)}, ${jsonArray(select)}`);
  const { rows } = await sql<{ found: unknown }>`
    ${common} select json_build_object('dbNow', clock_timestamp(), ${sql.join(parts)}) as found`.execute(db);
  const found = isRow(rows[0]?.found) ? rows[0].found : {};
  const read = named.map(([name, { of }]) => [name, rowsOfJson(of, found[name])]);
  return { dbNow: readDatabaseTime(found['dbNow']), rows: Object.fromEntries(read) };
};

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
