import { sql } from 'kysely';
import { idsOf, type UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { OwnerKeys, Seals } from '../keys/index.ts';

interface Deps {
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
}

const batchSize = 50;

const nextOwners = async (tx: Tx, owner: UserId | null, before: Date, after: string | null): Promise<UserId[]> => {
  const { rows } = await sql<{ owner_id: unknown }>`select owner_id from public.owner_keys
    where state = 'active' and created_at <= ${before} ${owner === null ? sql`` : sql`and owner_id = ${owner}`}
      ${after === null ? sql`` : sql`and owner_id > ${after}`}
    order by owner_id limit ${sql.lit(batchSize)}`.execute(tx);
  return idsOf<UserId>(rows.map((row) => row.owner_id));
};

export const createReplaceKeys = ({ seals, ownerKeys }: Deps) => ({
  /**
   * Gives the next owners a new active key each, and has the one before retire; it goes on to open what it encrypted. Resolves to
   * the last owner, or null when there are no more.
   */
  replaceKeys: async (tx: Tx, owner: UserId | null, before: Date, after: string | null): Promise<UserId | null> => {
    const owners = await nextOwners(tx, owner, before, after);
    if (owners.length === 0) return null;
    // Locked before their keys, as everywhere: a user who is being erased gets no new key.
    const here = { id: owners, status: ['active', 'disabled'] } as const;
    const users = await seals.load(tx, 'users', here, { lock: 'share', orderBy: sql`id` });
    if (users.length === 0) return owners.at(-1) ?? null;
    const asked = { owner_id: users.map(({ id }) => id), state: 'active' } as const;
    const rows = await seals.load(tx, 'owner_keys', asked, { lock: 'update', orderBy: sql`id` });
    const usable = rows.filter((row) => row.created_at.getTime() <= before.getTime());
    const retiring = usable.map((row) => ({ row, changes: { state: 'retiring' as const } }));
    await seals.updateAll(tx, 'owner_keys', retiring);
    const { newKey } = await ownerKeys.wrapping(tx);
    const made = await Promise.all(usable.map((row) => newKey(row.owner_id)));
    await seals.insertAll(tx, [{ table: 'owner_keys', rows: made }]);
    return owners.at(-1) ?? null;
  },
});
