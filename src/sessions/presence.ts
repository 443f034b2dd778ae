import { type CallerState, isSessionActive } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Entering } from './entering.ts';
import type { SessionQueries } from './queries.ts';
import type { SessionResolver } from './resolve.ts';

interface Deps {
  readonly now: Now;
  readonly callerState: Pick<CallerState, 'lockPresence'>;
  readonly queries: SessionQueries;
  readonly resolver: SessionResolver;
  readonly entering: Entering;
}

/** What other domains ask of sessions. They check for themselves whether their caller may know the answer. */
export const createPresence = ({ now, callerState, queries, resolver, entering }: Deps) => ({
  /** The session that a name means, when it is active and the caller is present in it; else null, whatever the cause. */
  verify: (db: Db, caller: Caller, name: string): Promise<VerifiedSessionId | null> =>
    mapDbErrors(resolver.verify(db, caller, name)),

  /** The session that a request names, which its caller may enter by naming it. See entering.ts. */
  enterNamed: entering.enterNamed,

  /** As `enterNamed`, for one name within a change: locks the session and the presence until the transaction ends. */
  enterAndLock: async (tx: Tx, caller: Caller, name: string): Promise<VerifiedSessionId | null> => {
    const id = await entering.enterNamedIn(tx, caller, name);
    return id !== null && (await callerState.lockPresence(tx, caller.userId, id)) ? id : null;
  },

  /** The session that a name means to the caller, active or ended; null for one that they may not see. */
  idOf: async (db: Db, caller: Caller, name: string): Promise<SessionId | null> =>
    (await mapDbErrors(resolver.resolve(db, caller, name)))?.id ?? null,

  isActive: async (db: Db, id: SessionId): Promise<boolean> => {
    const row = await queries.byId(db, id);
    return row !== null && isSessionActive(row, await now(db));
  },

  /** The users who are present in the session, in the order in which they joined. */
  presentUsers: async (db: Db, id: SessionId): Promise<readonly UserId[]> =>
    (await queries.presentIn(db, [id])).map((row) => row.user_id),
});
