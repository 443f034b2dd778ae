import { type RawBuilder, sql } from 'kysely';
import { type ColumnKind, kindOf, type SealedTable } from '../crypto/seal.ts';
import type { RawRow } from '../db/json-rows.ts';
import { type SealedTableName, sealedTables, type Tables } from '../db/tables/index.ts';

/** Contents that a row can be compared with by `===`. A column of another type can only be asked for by null. */
type Comparable<Content> = Extract<Content, string | number | boolean | null>;

type AskedColumns<T extends SealedTableName> = {
  readonly [Column in keyof Tables[T]]?: Comparable<Tables[T][Column]> | readonly Comparable<Tables[T][Column]>[];
};

/**
 * What rows are asked for by: for some columns the value, null, or the list of values that they must hold. It becomes the
 * statement's condition, and every row that comes back is compared with it again, since a seal proves that a row is
 * authentic, not that it is the one that was asked for.
 */
export type Asked<T extends SealedTableName> = AskedColumns<T> &
  { [Column in keyof Tables[T]]: Required<Pick<AskedColumns<T>, Column>> }[keyof Tables[T]];

/** A further condition on rows, as SQL and as what it means of a verified row: neither goes without the other. */
export interface Narrowing<T extends SealedTableName> {
  readonly sql: RawBuilder<unknown>;
  holds(row: Tables[T]): boolean;
}

const arrayTypes: Partial<Record<ColumnKind, string>> = {
  uuid: 'uuid[]',
  text: 'text[]',
  int: 'int[]',
  bigint: 'bigint[]',
};

const conditionOn = (table: SealedTable, column: string, asked: unknown): RawBuilder<unknown> => {
  const spec = table.sealed[column];
  if (asked === undefined || spec === undefined) throw new TypeError(`${table.table}.${column} cannot be asked for`);
  if (asked === null) return sql`${sql.ref(column)} is null`;
  if (!Array.isArray(asked)) return sql`${sql.ref(column)} = ${asked}`;
  return sql`${sql.ref(column)} = any(${asked}::${sql.raw(arrayTypes[kindOf(spec)] ?? 'text[]')})`;
};

/** The condition of a statement, on sealed columns only. Throws TypeError for a value that is undefined, which would widen it. */
export const conditionOf = (name: SealedTableName, asked: object): RawBuilder<unknown> => {
  const conditions = Object.entries(asked).map(([column, value]) => conditionOn(sealedTables[name], column, value));
  if (conditions.length === 0) throw new TypeError(`${name} is asked for by nothing`);
  return sql.join(conditions, sql` and `);
};

/** Whether a row holds what it was asked by. */
export const matcherOf = (asked: object): ((row: RawRow) => boolean) => {
  const tests = Object.entries(asked).map(([column, value]) => {
    if (!Array.isArray(value)) return (row: RawRow) => row[column] === value;
    const values = new Set<unknown>(value);
    return (row: RawRow) => values.has(row[column]);
  });
  return (row) => tests.every((test) => test(row));
};
