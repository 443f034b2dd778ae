import { type RawBuilder, sql } from 'kysely';
import type { Tx } from './database.ts';

/**
 * Locks the rows of a table that these conditions choose, in their order, and resolves to the ids in `column` of those that it
 * locked; with `skip`, it leaves out rows that somebody else has locked, and says so.
 */
export const lockRows = async (
  tx: Tx,
  { table, column, where, orderBy, limit }: RowChoice,
  locked: 'wait' | 'skip',
): Promise<{ readonly chosen: readonly unknown[]; readonly skipped: boolean }> => {
  const select = (lock: string) =>
    sql<{ id: unknown }>`select ${sql.ref(column)} as id from ${sql.table(`public.${table}`)}
    where ${where} order by ${orderBy} limit ${sql.lit(limit)} ${sql.raw(lock)}`.execute(tx);
  if (locked === 'wait') return { chosen: (await select('for update')).rows.map(({ id }) => id), skipped: false };
  const all = (await select('')).rows.length;
  const chosen = (await select('for update skip locked')).rows.map(({ id }) => id);
  return { chosen, skipped: chosen.length < all };
};

interface RowChoice {
  readonly table: 'secrets' | 'sessions' | 'session_participants';
  readonly column: string;
  readonly where: RawBuilder<unknown>;
  readonly orderBy: RawBuilder<unknown>;
  readonly limit: number;
}
