import { isSessionActive } from '../access/index.ts';
import { type Clock, later } from '../core/clock.ts';
import { isUuid, type SessionId, toId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { NamedSession, SessionQueries } from './queries.ts';

interface Deps {
  readonly clock: Clock;
  readonly queries: Pick<SessionQueries, 'named'>;
}

export type SessionResolver = ReturnType<typeof createResolver>;

/** Resolves the names by which requests mean sessions: our id, or the platform's own (`external_id`). */
export const createResolver = ({ clock, queries }: Deps) => {
  /**
   * Our id comes before an external id that is spelled like one, even where the user may not see that session. Nobody
   * can choose our ids, so nobody can start a session that takes the place of another.
   */
  const find = async (db: Db, userId: UserId, name: string, choose: Choose): Promise<Candidate | null> => {
    const id = isUuid(name) ? toId<SessionId>(name) : null;
    const named = await queries.named(db, userId, name, id);
    const candidates = named.map((one) => candidateOf(userId, one, later(clock.now(), one.dbNow)));
    return candidates.find((one) => one.session.id === id) ?? choose(candidates);
  };

  const findVisible = async (db: Db, userId: UserId, name: string): Promise<Candidate | null> => {
    const found = await find(db, userId, name, ownOrFirstJoined);
    return found && (found.own || found.present) ? found : null;
  };

  return {
    /**
     * The session that a name means to this user, among those they own or are present in, ended ones included. Null for
     * any other.
     */
    resolve: async (db: Db, userId: UserId, name: string): Promise<SessionRow | null> =>
      (await findVisible(db, userId, name))?.session ?? null,

    /**
     * As `resolve`, for leaving: it also finds sessions that the user has been taken out of. An external id counts only
     * while the user knows one session of that name, so that leaving twice never leaves another session.
     */
    resolveEverJoined: async (db: Db, userId: UserId, name: string): Promise<SessionRow | null> => {
      const found = await find(db, userId, name, ownOrOnly);
      return found && (found.own || found.present || found.namedSince !== null) ? found.session : null;
    },

    /** As `resolve`, for an active session in which the user is present. This alone makes a `VerifiedSessionId` of a name. */
    verify: async (db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null> => {
      const found = await findVisible(db, userId, name);
      return found?.active && found.present ? (found.session.id as VerifiedSessionId) : null;
    },
  };
};

/** A session that the name could mean to the user. */
interface Candidate {
  readonly session: SessionRow;
  readonly own: boolean;
  readonly present: boolean;
  readonly active: boolean;
  /** Since when the external id means this session to a user who does not own it, in milliseconds; null if it does not. */
  readonly namedSince: number | null;
}

type Choose = (candidates: readonly Candidate[]) => Candidate | null;

const candidateOf = (userId: UserId, { session, participant }: NamedSession, now: Date): Candidate => ({
  session,
  own: session.owner_id === userId,
  present: participant !== null && participant.left_at === null,
  active: isSessionActive(session, now),
  namedSince: participant?.named_since?.getTime() ?? null,
});

/**
 * The user's own session, else the one they were first added to. It keeps the name after it has ended and after they were
 * taken out, so that a later session of that name neither shuts them out of the first nor draws them in. Leaving frees
 * the name.
 */
const ownOrFirstJoined: Choose = (candidates) => {
  const joined = candidates.flatMap((one) => (one.namedSince === null ? [] : [{ one, since: one.namedSince }]));
  const [first] = joined.sort((a, b) => a.since - b.since || (a.one.session.id < b.one.session.id ? -1 : 1));
  return candidates.find((one) => one.own) ?? first?.one ?? null;
};

/** The user's own session, which stays theirs after they left it, else the only one. */
const ownOrOnly: Choose = (candidates) =>
  candidates.find((one) => one.own) ?? (candidates.length === 1 ? (candidates[0] ?? null) : null);
