import { type QueryExecutorProvider, sql } from 'kysely';
import type { RawRow } from './json-rows.ts';
import { type SealedTableName, sealedTables } from './tables/index.ts';

const batchSize = 500;

/** The primary key of a row, in the order of its columns. */
const keyValuesOf = (table: SealedTableName, row: RawRow): unknown[] =>
  sealedTables[table].key.map((column) => row[column]);

/** Every row of a sealed table, unverified, in batches by primary key, so that neither memory nor a long transaction is needed. */
export async function* scanRows(db: QueryExecutorProvider, table: SealedTableName): AsyncGenerator<readonly RawRow[]> {
  const columns = sql.join(sealedTables[table].key.map((column) => sql.ref(column)));
  let after: readonly unknown[] | null = null;
  for (;;) {
    const key: readonly unknown[] | null = after;
    const where = key === null ? sql`` : sql`where (${columns}) > (${sql.join(key)})`;
    const statement = sql<RawRow>`select * from ${sql.table(`public.${table}`)} ${where}
      order by ${columns} limit ${sql.lit(batchSize)}`;
    const { rows } = await statement.execute(db);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (rows.length < batchSize || last === undefined) return;
    after = keyValuesOf(table, last);
  }
}
