import { isSessionActive } from '../access/index.ts';
import { type Clock, later } from '../core/clock.ts';
import { isUuid, type SessionId, toId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { NamedSession, SessionQueries } from './queries.ts';

export interface SessionResolver {
  /**
   * The session that a name means to this user, among those they own or are present in, also when it has ended: by our id,
   * or by the platform's own. Null for any other, whatever the cause.
   */
  resolve(db: Db, userId: UserId, name: string): Promise<SessionRow | null>;
  /**
   * As `find`, also where the user was present once; for leaving. An external id means one only while the user knows no other
   * of that name: who leaves twice would else leave another one the second time.
   */
  resolveEverJoined(db: Db, userId: UserId, name: string): Promise<SessionRow | null>;
  /** As `find`, and active, and the user present: the only maker of a `VerifiedSessionId`. */
  verify(db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
}

/** A session that the name means or could mean to the user. */
interface Candidate {
  readonly session: SessionRow;
  readonly own: boolean;
  readonly present: boolean;
  readonly active: boolean;
  /** Since when, in milliseconds, the external id means it to the user, who does not own it; null where it does not. */
  readonly namedSince: number | null;
}

export const createSessionResolver = ({
  clock,
  queries,
}: {
  readonly clock: Clock;
  readonly queries: SessionQueries;
}): SessionResolver => {
  const candidateOf = (userId: UserId, { session, participant, dbNow }: NamedSession): Candidate => ({
    session,
    own: session.owner_id === userId,
    present: participant !== null && participant.left_at === null,
    active: isSessionActive(session, later(clock.now(), dbNow)),
    namedSince: participant?.named_since?.getTime() ?? null,
  });

  /**
   * One's own first, then the one that the user was brought into first, also after it has ended or they were taken out:
   * a later one of that name neither shuts them out of theirs nor has them fall into it. Only who leaves by themself frees
   * the name.
   */
  const choose = (named: readonly Candidate[]): Candidate | null => {
    const others = named.flatMap((one) => (one.namedSince === null ? [] : [{ one, since: one.namedSince }]));
    const [first] = others.sort((a, b) => a.since - b.since || (a.one.session.id < b.one.session.id ? -1 : 1));
    return named.find((one) => one.own) ?? first?.one ?? null;
  };

  /**
   * An id comes before an external id that is spelt like one, whether the user may look at that session or not: nobody can
   * choose our ids, and nobody slips into one.
   */
  const look = async (db: Db, userId: UserId, name: string, chosen = choose): Promise<Candidate | null> => {
    const id = isUuid(name) ? toId<SessionId>(name) : null;
    const all = (await queries.named(db, userId, name, id)).map((one) => candidateOf(userId, one));
    return all.find((one) => one.session.id === id) ?? chosen(all);
  };

  /** One's own, which stays one's own also after one has left it, or the only one. */
  const unmistakable = (named: readonly Candidate[]): Candidate | null =>
    named.find((one) => one.own) ?? (named.length === 1 ? (named[0] ?? null) : null);

  const lookPresent = async (db: Db, userId: UserId, name: string): Promise<Candidate | null> => {
    const found = await look(db, userId, name);
    return found && (found.own || found.present) ? found : null;
  };

  return {
    resolve: async (db, userId, name) => (await lookPresent(db, userId, name))?.session ?? null,
    resolveEverJoined: async (db, userId, name) => {
      const found = await look(db, userId, name, unmistakable);
      return found && (found.own || found.present || found.namedSince !== null) ? found.session : null;
    },
    verify: async (db, userId, name) => {
      const found = await lookPresent(db, userId, name);
      return found?.active && found.present ? (found.session.id as VerifiedSessionId) : null;
    },
  };
};
