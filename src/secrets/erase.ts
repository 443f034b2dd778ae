import type { Clock } from '../core/clock.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { Seals } from '../keys/index.ts';
import { deleteOwned, lockSharedWith } from './queries.ts';
import { unshareWith } from './secret.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
}

/** Erases a user's secrets with their versions, and takes the user off secrets that others shared with them; resolves to how many of each. */
export const createEraseUser =
  ({ clock, seals }: Deps) =>
  async (tx: Tx, userId: UserId): Promise<{ readonly erased: number; readonly unshared: number }> => {
    const shared = await lockSharedWith(seals, tx, userId);
    for (const row of shared) {
      const changes = { ...unshareWith(row, userId), revision: row.revision + 1, updated_at: clock.now() };
      await seals.update(tx, 'secrets', row, changes);
    }
    return { erased: await deleteOwned(tx, userId), unshared: shared.length };
  };
