import { type RawBuilder, sql } from 'kysely';
import type { RowVersion } from '../core/row-version.ts';
import type { Db } from '../db/database.ts';
import { jsonOfRows } from '../db/json-rows.ts';
import { unavailable } from '../db/postgres-errors.ts';
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
export const notWritten = (table: SealedTableName): Error =>
  unavailable(new Error(`the database did not write what it was told to write to ${table}`));

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

const insertOne = async (db: Db, insert: SealedInsert): Promise<readonly number[]> => {
  const { numAffectedRows } = await sql`insert into ${relation(insert.table)} select * from ${source(insert)}`.execute(
    db,
  );
  return [Number(numAffectedRows)];
};

const insertAll = async (
  db: Db,
  inserts: readonly SealedInsert[],
  conditions: readonly RawBuilder<unknown>[],
): Promise<readonly number[]> => {
  const condition = conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`;
  const written = inserts.map(
    (insert, at) => sql`${sql.ref(`w${at}`)} as (insert into ${relation(insert.table)}
      select r.* from confirmed, ${source(insert)} as r returning 1)`,
  );
  const counts = inserts.map((_, at) => sql`(select count(*) from ${sql.ref(`w${at}`)}) as ${sql.ref(`w${at}`)}`);
  const { rows } = await sql<Record<string, unknown>>`with confirmed as materialized (select 1 ${condition}),
    ${sql.join(written)} select ${sql.join(counts)}`.execute(db);
  return inserts.map((_, at) => Number(rows[0]?.[`w${at}`]));
};

/**
 * Writes rows of several tables in one statement, which outside of a transaction is one by itself: all of them, or none
 * where something of `unchanged` no longer holds. Resolves to whether it wrote them. Throws `unavailable` when the database
 * says that it wrote anything else.
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
  const plain = conditions.length === 0 && wanted.length === 1;
  const counts = plain ? await insertOne(db, first) : await insertAll(db, wanted, conditions);
  if (conditions.length > 0 && counts.every((count) => count === 0)) return false;
  const wrong = wanted.find(({ rows }, at) => counts[at] !== rows.length);
  if (wrong) throw notWritten(wrong.table);
  return true;
};
