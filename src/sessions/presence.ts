import { type CallerState, isSessionActive } from '../access/index.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { SessionQueries } from './queries.ts';
import type { SessionResolver } from './resolve.ts';

interface Deps {
  readonly now: Now;
  readonly callerState: Pick<CallerState, 'lockPresence'>;
  readonly queries: SessionQueries;
  readonly resolver: SessionResolver;
}

/** What other domains ask of sessions. They check for themselves whether their caller may know the answer. */
export const createPresence = ({ now, callerState, queries, resolver }: Deps) => ({
  /** The session that a name means, when it is active and the user is present in it; else null, whatever the cause. */
  verify: (db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null> =>
    mapDbErrors(resolver.verify(db, userId, name)),

  /** As `verify`, within a change: locks the session and the user's presence until the transaction ends. */
  verifyAndLock: async (tx: Tx, userId: UserId, name: string): Promise<VerifiedSessionId | null> => {
    const id = await resolver.verify(tx, userId, name);
    return id !== null && (await callerState.lockPresence(tx, userId, id)) ? id : null;
  },

  /** The session that a name means to the user, active or ended; null for one that they may not see. */
  idOf: async (db: Db, userId: UserId, name: string): Promise<SessionId | null> =>
    (await mapDbErrors(resolver.resolve(db, userId, name)))?.id ?? null,

  isActive: async (db: Db, id: SessionId): Promise<boolean> => {
    const row = await queries.byId(db, id);
    return row !== null && isSessionActive(row, await now(db));
  },

  /** The users who are present in the session, in the order in which they joined. */
  presentUsers: async (db: Db, id: SessionId): Promise<readonly UserId[]> =>
    (await queries.presentIn(db, [id])).map((row) => row.user_id),
});
