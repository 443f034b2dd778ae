import { sql } from 'kysely';
import type { LoginId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { LoginRow } from '../db/tables/index.ts';
import { isOldest, rootKeyStates, type Seals } from '../keys/index.ts';

const endedAtOnce = 200;

/**
 * Ends the next logins that need a root key, and resolves to how many. Those that name no key may need one of the oldest. Broken
 * rows among them are not logins, and are left out.
 */
export const endLoginsUnder = async (
  tx: Tx,
  seals: Seals,
  rootKeyId: string,
  { now, except }: { readonly now: Date; readonly except: LoginId | null },
): Promise<number> => {
  const unnamed = isOldest(await rootKeyStates(tx, seals), rootKeyId);
  const narrow = {
    sql: sql`(root_key_id = ${rootKeyId} or (${unnamed} and root_key_id is null)) and expires_at > ${now}
      and id is distinct from ${except}`,
    holds: (row: LoginRow) =>
      row.id !== except && (row.root_key_id === rootKeyId || (unnamed && row.root_key_id === null)),
  };
  const options = { lock: 'update', narrow, orderBy: sql`id`, limit: endedAtOnce } as const;
  const rows = await seals.load(tx, 'logins', { ended_at: null }, options);
  await seals.updateAll(
    tx,
    'logins',
    rows.map((row) => ({ row, changes: { ended_at: now } })),
  );
  return rows.length;
};
