import { isSessionActive } from '../access/index.ts';
import { type Clock, later } from '../core/clock.ts';
import { isUuid, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { SessionRow } from '../db/tables.ts';
import type { Seals } from '../keys/index.ts';
import { type NamedSession, sessionsNamed } from './queries.ts';

export interface Finding {
  /**
   * The session that a name means to this user, among those they own or are present in, also when it has ended: by our id,
   * or by the platform's own. Null for any other, whatever the cause.
   */
  find(db: Db, userId: UserId, name: string): Promise<SessionRow | null>;
  /** As `find`, and active, and the user present: the only maker of a `VerifiedSessionId`. */
  verify(db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
}

/** A session that the name means or could mean to the user. */
interface Seen {
  readonly session: SessionRow;
  readonly own: boolean;
  readonly present: boolean;
  readonly active: boolean;
}

export const createFinding = ({ clock, seals }: { readonly clock: Clock; readonly seals: Seals }): Finding => {
  const seen = (userId: UserId, { session, participant, dbNow }: NamedSession): Seen[] => {
    if (!seals.holds('sessions', session)) return [];
    const present =
      participant !== null && participant.left_at === null && seals.holds('session_participants', participant);
    const active = isSessionActive(session, later(clock.now(), dbNow));
    return [{ session, own: session.owner_id === userId, present, active }];
  };

  /**
   * One's own first. Others' sessions of one name are none, also when all but one have ended or were left: else whoever
   * takes somebody out of a session would hand its name to whoever has another of that name.
   */
  const choose = (named: readonly Seen[]): Seen | null =>
    named.find((one) => one.own) ?? (named.length === 1 ? (named[0] ?? null) : null);

  /**
   * An id comes before an external id that is spelt like one, whether the user may look at that session or not: nobody can
   * choose our ids, and nobody slips into one.
   */
  const look = async (db: Db, userId: UserId, name: string): Promise<Seen | null> => {
    const id = isUuid(name) ? name.toLowerCase() : null;
    const all = (await sessionsNamed(db, userId, name, id)).flatMap((one) => seen(userId, one));
    const found = all.find((one) => one.session.id === id) ?? choose(all);
    return found && (found.own || found.present) ? found : null;
  };

  return {
    find: async (db, userId, name) => (await look(db, userId, name))?.session ?? null,
    verify: async (db, userId, name) => {
      const found = await look(db, userId, name);
      return found?.active && found.present ? (found.session.id as VerifiedSessionId) : null;
    },
  };
};
