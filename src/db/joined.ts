import { type RawBuilder, sql } from 'kysely';
import { type SealedTableName, sealedTables, type Tables } from './tables/index.ts';

/** Every column of a sealed table, seal included, but for those that are named. */
export const columnNames = (table: SealedTableName, without: readonly string[] = []): string[] =>
  [...Object.keys(sealedTables[table].sealed), ...Object.keys(sealedTables[table].unsealed), 'seal'].filter(
    (column) => !without.includes(column),
  );

/**
 * The columns of one table of a join, named `alias.column`, so that two sealed rows can come in one statement and each
 * be verified by itself.
 */
export const joinedColumns = (
  table: SealedTableName,
  alias: string,
  without: readonly string[] = [],
): RawBuilder<unknown> =>
  sql.join(
    columnNames(table, without).map(
      (column) => sql`${sql.ref(`${alias}.${column}`)} as ${sql.id(`${alias}.${column}`)}`,
    ),
  );

/** The row of one table out of a joined one; null where the outer join found none. */
export const joinedRow = <T extends SealedTableName>(
  row: Readonly<Record<string, unknown>>,
  table: T,
  alias: string,
): Tables[T] | null => {
  if (row[`${alias}.seal`] === null || row[`${alias}.seal`] === undefined) return null;
  const entries = columnNames(table, []).map((column) => [column, row[`${alias}.${column}`]] as const);
  return Object.fromEntries(entries) as unknown as Tables[T];
};
