import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Seals } from '../keys/index.ts';
import type { SessionQueries } from './queries.ts';

interface Deps {
  readonly now: Now;
  readonly seals: Seals;
  readonly queries: SessionQueries;
}

/**
 * For a user who is being erased: ends their sessions, deletes what they wrote about these, and takes them out of the
 * sessions of others. Resolves to how many sessions ended.
 */
export const createEraseUser =
  ({ now, seals, queries }: Deps) =>
  async (tx: Tx, userId: UserId): Promise<number> => {
    const moment = await now(tx);
    for (const row of await queries.lockPresences(tx, userId))
      await seals.update(tx, 'session_participants', row, { left_at: moment });
    const owned = await queries.lockOwned(tx, userId);
    for (const row of owned) {
      const over = { status: 'ended', ended_at: row.ended_at ?? moment } as const;
      await seals.update(tx, 'sessions', row, { ...over, title: null, metadata: {}, updated_at: moment });
    }
    return owned.filter((row) => row.status === 'active').length;
  };
