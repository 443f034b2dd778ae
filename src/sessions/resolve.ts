import { hasJoined, isPresent, isSessionActive } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { isUuid, type SessionId, toId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import { hasInvitation } from './joining.ts';
import type { NamedSession, SessionQueries } from './queries.ts';

interface Deps {
  readonly clock: Clock;
  readonly queries: Pick<SessionQueries, 'named'>;
}

export type SessionResolver = ReturnType<typeof createResolver>;

/** A session that a name means to a user, as their rows say. */
export interface Candidate {
  readonly session: SessionRow;
  readonly participant: ParticipantRow | null;
  readonly own: boolean;
  readonly present: boolean;
  readonly active: boolean;
  /** Since when the external id means this session to a user who does not own it, in milliseconds; null if it does not. */
  readonly namedSince: number | null;
}

/** Who names a session. */
export type Namer = Pick<Caller, 'userId' | 'sessionNames'>;

/** Resolves the names by which requests mean sessions: our id, or the platform's own (`external_id`). */
export const createResolver = ({ clock, queries }: Deps) => {
  /**
   * Our id comes before an external id that is spelled like one, even where the user may not see that session. Nobody
   * can choose our ids, so nobody can start a session that takes the place of another.
   */
  const findBy = async (db: Db, who: Namer, name: string, choose: Choose): Promise<Candidate | null> => {
    const { userId, sessionNames } = who;
    const { issuer } = sessionNames;
    const id = ownIdOf(name);
    const named = await queries.named(db, { userId, issuer }, name, id);
    const candidates = named.map((one) => candidateOf(who, one, later(clock.now(), one.dbNow)));
    const byId = candidates.find((one) => one.session.id === id);
    if (byId) return byId;
    // Within an issuer's name space, the id is one session's for everybody.
    return issuer === null ? choose(candidates.filter(isKnown)) : (candidates[0] ?? null);
  };

  const find = (db: Db, who: Namer, name: string): Promise<Candidate | null> => findBy(db, who, name, ownOrFirstJoined);

  const findVisible = async (db: Db, who: Namer, name: string): Promise<Candidate | null> => {
    const found = await find(db, who, name);
    return found && (found.own || found.present) ? found : null;
  };

  return {
    /** The session that a name means, whether or not the user may see it. The caller checks that. */
    find,

    /**
     * The session that a name means to this user, among those they own or are present in, ended ones included. Null for
     * any other.
     */
    resolve: async (db: Db, who: Namer, name: string): Promise<SessionRow | null> =>
      (await findVisible(db, who, name))?.session ?? null,

    /**
     * As `resolve`, for leaving: it also finds sessions that the user was invited to, or has been taken out of. An external
     * id counts only while the user knows one session of that name, so that leaving twice never leaves another session.
     */
    resolveToLeave: async (db: Db, who: Namer, name: string): Promise<SessionRow | null> => {
      const found = await findBy(db, who, name, ownOrOnly);
      return found && (found.own || found.present || found.namedSince !== null || isInvited(found))
        ? found.session
        : null;
    },

    /** As `resolve`, for an active session in which the user is present. This alone makes a `VerifiedSessionId` of a name. */
    verify: async (db: Db, who: Namer, name: string): Promise<VerifiedSessionId | null> => {
      const found = await findVisible(db, who, name);
      return found && verifiedIn(found);
    },
  };
};

/** Our id of a session, where the name is one. */
export const ownIdOf = (name: string): SessionId | null => (isUuid(name) ? toId<SessionId>(name) : null);

/** The session of a candidate that is active and in which the user is present. */
export const verifiedIn = ({ active, present, session }: Candidate): VerifiedSessionId | null =>
  active && present ? (session.id as VerifiedSessionId) : null;

/** True while an active session waits for the user's answer to an invitation. */
export const isInvited = ({ active, participant }: Candidate): boolean =>
  active && participant !== null && hasInvitation(participant);

type Choose = (candidates: readonly Candidate[]) => Candidate | null;

const candidateOf = ({ userId }: Namer, { session, participant }: NamedSession, now: Date): Candidate => ({
  session,
  participant,
  own: session.owner_id === userId,
  present: participant !== null && isPresent(participant),
  active: isSessionActive(session, now),
  namedSince: participant && hasJoined(participant) ? (participant.named_since?.getTime() ?? null) : null,
});

/** A session that others merely invited the user to has no claim to its external id. */
const isKnown = ({ own, participant }: Candidate): boolean => own || (participant !== null && hasJoined(participant));

/** The user's own session, rather one whose external id is theirs than one in an issuer's name space. */
const ownOf = (candidates: readonly Candidate[]): Candidate | null => {
  const own = candidates.filter((one) => one.own);
  return own.find((one) => one.session.issuer === null) ?? own[0] ?? null;
};

/**
 * The user's own session, else the one they joined first. It keeps the name after it has ended and after they were taken
 * out, so that a later session of that name neither shuts them out of the first nor draws them in. Leaving frees the name.
 */
const ownOrFirstJoined: Choose = (candidates) => {
  const joined = candidates.flatMap((one) => (one.namedSince === null ? [] : [{ one, since: one.namedSince }]));
  const [first] = joined.sort((a, b) => a.since - b.since || (a.one.session.id < b.one.session.id ? -1 : 1));
  return ownOf(candidates) ?? first?.one ?? null;
};

/** The user's own session, which stays theirs after they left it, else the only one. */
const ownOrOnly: Choose = (candidates) =>
  ownOf(candidates) ?? (candidates.length === 1 ? (candidates[0] ?? null) : null);
