import { type RawBuilder, sql } from 'kysely';
import type { RowVersion } from '../core/row-version.ts';
import type { Db } from '../db/database.ts';
import { jsonOfRows, type RawRow } from '../db/json-rows.ts';
import { sqlState, unavailable } from '../db/postgres-errors.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import { conditionOf } from './asked.ts';

/** What must still be so when a statement writes. */
export interface Unchanged {
  /** These rows are as they were verified; the statement locks them until its transaction ends. */
  readonly rows: readonly RowVersion[];
  /** The database's clock is before each of these. */
  readonly before?: readonly Date[];
}

/** Rows of one table, already sealed. */
export interface SealedInsert {
  readonly table: SealedTableName;
  readonly rows: readonly object[];
}

/** Thrown where the database says that it wrote other rows than it was told to: nothing may be acknowledged then. */
export const notWritten = (table: SealedTableName, cause?: unknown): Error =>
  unavailable(new Error(`the database did not write what it was told to write to ${table}`, { cause }));

export const relation = (table: SealedTableName): RawBuilder<unknown> => sql.table(`public.${table}`);

const isSealedTable = (name: string): name is SealedTableName => Object.hasOwn(sealedTables, name);

const rowUnchanged = ({ table, columns, seal }: RowVersion): RawBuilder<unknown> => {
  if (!isSealedTable(table)) throw new TypeError(`${table} is not a sealed table`);
  return sql`exists (select 1 from ${relation(table)} where ${conditionOf(table, columns)} and seal = ${seal} for share)`;
};

const conditionsOf = ({ rows, before = [] }: Unchanged): RawBuilder<unknown>[] => [
  ...rows.map(rowUnchanged),
  ...before.map((date) => sql`clock_timestamp() < ${date}`),
];

const source = ({ table, rows }: SealedInsert): RawBuilder<unknown> =>
  sql`json_populate_recordset(null::${relation(table)}, ${jsonOfRows(rows)}::json)`;

/** Writes these columns and the seals of rows that are locked. Throws `unavailable` when other rows were written. */
export const updateTogether = async (
  db: Db,
  table: SealedTableName,
  columns: readonly string[],
  rows: readonly RawRow[],
): Promise<void> => {
  const same = sealedTables[table].key.map((name) => sql`${sql.ref(`t.${name}`)} = ${sql.ref(`r.${name}`)}`);
  const set = [...columns, 'seal'].map((name) => sql`${sql.ref(name)} = ${sql.ref(`r.${name}`)}`);
  const { rows: written } = await sql<{ seal: unknown }>`update ${relation(table)} as t set ${sql.join(set)}
    from ${source({ table, rows })} as r where ${sql.join(same, sql` and `)} returning t.seal`.execute(db);
  const wanted = new Set(rows.map(({ seal }) => Buffer.from(seal as Uint8Array).toString('base64')));
  const isWanted = ({ seal }: { seal: unknown }): boolean =>
    seal instanceof Uint8Array && wanted.has(Buffer.from(seal).toString('base64'));
  if (written.length !== rows.length || !written.every(isWanted)) throw notWritten(table);
};

const uniqueViolation = '23505';
/** Raised by the statement itself where its counts are wrong. */
const divisionByZero = '22012';

/** A row that refers to one which the same statement should have written, or that a constraint which is not ours refuses. */
const isForeignConstraint = (state: string): boolean => state.startsWith('23') && state !== uniqueViolation;

const written = async <T>(table: SealedTableName, statement: Promise<T>): Promise<T> => {
  try {
    return await statement;
  } catch (error) {
    const state = sqlState(error) ?? '';
    if (isForeignConstraint(state) || state === divisionByZero) throw notWritten(table, error);
    throw error;
  }
};

const insertOne = async (db: Db, insert: SealedInsert): Promise<boolean> => {
  const { numAffectedRows } = await sql`insert into ${relation(insert.table)} select * from ${source(insert)}`.execute(
    db,
  );
  if (Number(numAffectedRows) !== insert.rows.length) throw notWritten(insert.table);
  return true;
};

/**
 * The last part of the statement counts what the others wrote. Where it is neither everything nor nothing it divides by zero,
 * so that a database that left a row out has written none of them.
 */
const insertTogether = async (
  db: Db,
  inserts: readonly SealedInsert[],
  conditions: readonly RawBuilder<unknown>[],
): Promise<boolean> => {
  const where = conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`;
  const parts = inserts.map(
    (insert, at) => sql`${sql.ref(`w${at}`)} as (insert into ${relation(insert.table)}
      select r.* from confirmed, ${source(insert)} as r returning 1)`,
  );
  const counts = inserts.map((_, at) => sql`(select count(*) from ${sql.ref(`w${at}`)}) as ${sql.ref(`c${at}`)}`);
  const all = inserts.map(({ rows }, at) => sql`${sql.ref(`c${at}`)} = ${rows.length}::bigint`);
  const none = inserts.map((_, at) => sql`${sql.ref(`c${at}`)} = 0`);
  const { rows } = await sql<{
    written: unknown;
  }>`with confirmed as materialized (select 1 ${where}), ${sql.join(parts)}
    select case when ${sql.join(all, sql` and `)} then true
      when not exists (select from confirmed) and ${sql.join(none, sql` and `)} then false
      else 1 / (c0 - c0) = 0 end as written from (select ${sql.join(counts)}) as counts`.execute(db);
  return rows[0]?.written === true;
};

/**
 * Writes rows of several tables in one statement, which outside of a transaction is one by itself: all of them, or none
 * where something of `unchanged` no longer holds. Resolves to whether it wrote them. Throws `unavailable`, with nothing
 * written, when the database wrote anything else.
 */
export const insertRows = async (
  db: Db,
  inserts: readonly SealedInsert[],
  unchanged: Unchanged = { rows: [] },
): Promise<boolean> => {
  const wanted = inserts.filter(({ rows }) => rows.length > 0);
  const [first] = wanted;
  if (!first) return true;
  const conditions = conditionsOf(unchanged);
  if (conditions.length === 0 && wanted.length === 1) return await written(first.table, insertOne(db, first));
  const done = await written(first.table, insertTogether(db, wanted, conditions));
  if (!done && conditions.length === 0) throw notWritten(first.table);
  return done;
};
