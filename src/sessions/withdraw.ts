import type { SessionId, UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Seals } from '../keys/index.ts';
import { endWithoutGrace } from './ending.ts';
import { createErasing } from './erase.ts';
import { changesOnLeaving } from './joining.ts';
import { createQueries } from './queries.ts';

interface Deps {
  readonly seals: Seals;
  readonly now: Now;
}

/**
 * Ends sessions and takes users out of them without asking who may do so, for a database that was restored. Each function
 * resolves to false where there is no such intact row, which then gives access to nobody.
 */
export const createSessionWithdrawals = ({ seals, now }: Deps) => {
  const queries = createQueries(seals);
  return {
    end: async (tx: Tx, id: SessionId): Promise<boolean> => {
      const session = await queries.lock(tx, id);
      if (session === null) return false;
      const moment = await now(tx);
      if (session.status === 'active') await seals.update(tx, 'sessions', session, endWithoutGrace(session, moment));
      return true;
    },
    /** Never moves the end of a session away. */
    endAt: async (tx: Tx, id: SessionId, at: Date): Promise<boolean> => {
      const session = await queries.lock(tx, id);
      if (session === null) return false;
      if (session.expires_at === null || session.expires_at.getTime() > at.getTime())
        await seals.update(tx, 'sessions', session, { expires_at: at, updated_at: await now(tx) });
      return true;
    },
    leave: async (tx: Tx, id: SessionId, userId: UserId): Promise<boolean> => {
      const { row } = await queries.lockParticipant(tx, id, userId);
      if (row === null) return false;
      // Whether they left by themselves is not known here, so that they need a new invitation.
      const changes = changesOnLeaving(row, false, await now(tx));
      if (changes) await seals.update(tx, 'session_participants', row, changes);
      return true;
    },
    erasing: createErasing({ now, seals, queries }),
  };
};
