import { sql } from 'kysely';
import type { Db } from '../db/database.ts';
import { type SealedTableName, sealedTables, type Tables } from '../db/tables/index.ts';

const batchSize = 500;

type Row<T extends SealedTableName> = Tables[T];
const keyOf = (table: SealedTableName, row: object): unknown[] =>
  sealedTables[table].key.map((column) => (row as Readonly<Record<string, unknown>>)[column]);

/** Names a row by its table and primary key. */
export const nameOf = (table: SealedTableName, row: object): string => `${table} ${keyOf(table, row).join(' ')}`;

/** Every row of a table, in batches by primary key, so that neither memory nor a long transaction is needed. */
export async function* rowsOf<T extends SealedTableName>(db: Db, table: T): AsyncGenerator<readonly Row<T>[]> {
  const columns = sql.join(sealedTables[table].key.map((column) => sql.ref(column)));
  let after: unknown[] | null = null;
  for (;;) {
    const where = after === null ? sql`` : sql`where (${columns}) > (${sql.join(after)})`;
    const { rows }: { rows: Row<T>[] } = await sql<Row<T>>`select * from ${sql.table(table)} ${where}
      order by ${columns} limit ${sql.lit(batchSize)}`.execute(db);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (rows.length < batchSize || last === undefined) return;
    after = keyOf(table, last);
  }
}
