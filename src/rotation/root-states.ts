import { sql } from 'kysely';
import type { Tx } from '../db/database.ts';
import { countOwnerKeys, rootKeyStates, type Seals } from '../keys/index.ts';

/**
 * Notes of every root key but the primary since when no owner key is wrapped under it; earlier backups still need it. A key that
 * was added and has not been used yet is left out.
 */
export const noteUnused = async (tx: Tx, seals: Seals, primary: string): Promise<void> => {
  const counts = await countOwnerKeys(tx);
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx);
  const unused_since = rows[0]?.now ?? new Date();
  for (const row of await rootKeyStates(tx, seals, 'update')) {
    if (row.last_signed_at === null) continue;
    const isUsed = row.id === primary || counts.has(row.id);
    if (isUsed && row.unused_since !== null) await seals.update(tx, 'root_keys', row, { unused_since: null });
    if (!isUsed && row.unused_since === null) await seals.update(tx, 'root_keys', row, { unused_since });
  }
};
