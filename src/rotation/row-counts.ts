import { sql } from 'kysely';
import type { Tx } from '../db/database.ts';
import type { SealedTableName } from '../db/tables/index.ts';

/** Up to this many rows are counted; of larger tables the planner's estimate is taken, since counting takes too long. */
const countedUpTo = 500_000;

const countRows = async (tx: Tx, table: SealedTableName): Promise<number> => {
  const name = `public.${table}`;
  const { rows } = await sql<{ estimate: number }>`
    select greatest(reltuples, 0)::bigint as estimate from pg_class where oid = ${name}::regclass`.execute(tx);
  const estimate = Number(rows[0]?.estimate ?? 0);
  if (estimate > countedUpTo) return estimate;
  const counted = await sql<{ count: number }>`select count(*) as count from ${sql.table(name)}`.execute(tx);
  return Number(counted.rows[0]?.count ?? 0);
};

/** About how many rows these tables have, for progress that is shown to people. */
export const aboutHowMany = async (tx: Tx, tables: readonly SealedTableName[]): Promise<number> => {
  let sum = 0;
  for (const table of tables) sum += await countRows(tx, table);
  return sum;
};
