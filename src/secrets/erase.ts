import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { SecretsContext } from './context.ts';
import { deleteOwned, lockSharedWith } from './queries.ts';
import { unshareWith } from './secret.ts';

/** Erases a user's secrets with their versions, and takes the user off whatever others shared with them. */
export const eraseUser = async (
  { seals, clock }: SecretsContext,
  tx: Tx,
  userId: UserId,
): Promise<{ readonly erased: number; readonly unshared: number }> => {
  const intact = await lockSharedWith(seals, tx, userId);
  for (const row of intact) {
    const changes = { ...unshareWith(row, userId), revision: row.revision + 1, updated_at: clock.now() };
    await seals.update(tx, 'secrets', row, changes);
  }
  return { erased: await deleteOwned(tx, userId), unshared: intact.length };
};
