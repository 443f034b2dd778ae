import { isPresent, isSessionActive, type Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { SessionId, VerifiedSessionId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import type { NewEvent } from '../events/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { NoteActivity } from './activity.ts';
import { changesOnEntering, type Entrance, mayEnter } from './joining.ts';
import type { SessionQueries } from './queries.ts';
import { type Candidate, ownIdOf, type SessionResolver, verifiedIn } from './resolve.ts';
import { isBoundElsewhere } from './session.ts';
import type { Told } from './told.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: Pick<SessionQueries, 'lock' | 'lockParticipant'>;
  readonly resolver: Pick<SessionResolver, 'find'>;
  readonly told: Told;
  readonly noteActivity: NoteActivity;
}

export type Entering = ReturnType<typeof createEntering>;

/** How users become present in sessions. */
export const createEntering = ({
  db,
  clock,
  now,
  seals,
  audit,
  mutate,
  queries,
  resolver,
  told,
  noteActivity,
}: Deps) => {
  /**
   * Makes the caller present in a session whose row is locked, and records it; false when they may not enter it, and then
   * nothing is recorded. Somebody who is present stays so, which is recorded only where they asked to join.
   */
  const enterLocked = async (tx: Tx, caller: Caller, session: SessionRow, entrance: Entrance): Promise<boolean> => {
    const { row, broken } = await queries.lockParticipant(tx, session.id, caller.userId);
    if (broken) throw integrityBroken();
    if (row === null || !isSessionActive(session, await now(tx))) return false;
    const moment = clock.now();
    if (isPresent(row)) {
      if (entrance.by === 'join') await recordJoin(tx, caller, session.id);
      return true;
    }
    if (!mayEnter(row, session.owner_id === caller.userId, entrance, moment)) return false;
    await seals.update(tx, 'session_participants', row, changesOnEntering(row, entrance, moment));
    await recordJoin(tx, caller, session.id, [await told.present(tx, session, 'session.joined')]);
    return true;
  };

  const recordJoin = (tx: Tx, caller: Caller, id: SessionId, tells: readonly NewEvent[] = []): Promise<void> => {
    const details = { user_id: caller.userId };
    return audit.allow(tx, caller, 'session.join', { target: { type: 'session', id }, details, tells });
  };

  /** The session in which these names make the caller present; null when they do not. */
  const enterBy = async (tx: Tx, caller: Caller, named: readonly Named[]): Promise<VerifiedSessionId | null> => {
    const entrance = entranceOf(caller, named);
    const session = entrance && (await queries.lock(tx, entrance.id));
    if (!session) return null;
    return (await enterLocked(tx, caller, session, entrance)) ? (session.id as VerifiedSessionId) : null;
  };

  const findAll = (handle: Db, caller: Caller, names: readonly string[]): Promise<Named[]> =>
    Promise.all(names.map(async (name) => ({ name, candidate: await resolver.find(handle, caller, name) })));

  return {
    enterLocked,

    /**
     * The active session that all of these names mean and in which the caller is present, or becomes so because the names
     * say it: by our id, where they were invited and never left, or by an issuer's claim. Else null, whatever the cause.
     */
    enterNamed: async (caller: Caller, names: readonly string[]): Promise<VerifiedSessionId | null> => {
      const named = await mapDbErrors(findAll(db, caller, names));
      const session = sessionOf(named);
      if (session === null) return null;
      const verified = verifiedIn(session);
      if (verified !== null) {
        await mapDbErrors(noteActivity(session.session));
        return verified;
      }
      // Most refusals end here, without a transaction. A login that waits changes nothing.
      if (caller.waiting || !couldEnter(caller, named, clock.now())) return null;
      return await mutate(caller, async (tx) => ({ ok: await enterBy(tx, caller, named) }));
    },

    /** As `enterNamed`, for one name within a change whose caller was revalidated. */
    enterNamedIn: async (tx: Tx, caller: Caller, name: string): Promise<VerifiedSessionId | null> => {
      const candidate = await resolver.find(tx, caller, name);
      if (candidate === null) return null;
      const named = [{ name, candidate }];
      // A token that is kept to one session joins no other one.
      if (candidate.present || isBoundElsewhere(caller, candidate.session.id)) return verifiedIn(candidate);
      if (!couldEnter(caller, named, clock.now())) return null;
      return await enterBy(tx, caller, named);
    },
  };
};

/** A name with the session that it means to the caller. */
interface Named {
  readonly name: string;
  readonly candidate: Candidate | null;
}

/** The one session that all of these names mean. */
const sessionOf = (named: readonly Named[]): Candidate | null => {
  const first = named[0]?.candidate ?? null;
  const same = first !== null && named.every(({ candidate }) => candidate?.session.id === first.session.id);
  return same ? first : null;
};

/** By which of these names the caller could enter: an issuer's claim says most, an external id in a header nothing. */
const entranceOf = (
  { sessionNames: { claim } }: Caller,
  named: readonly Named[],
): (Entrance & { id: SessionId }) | null => {
  const id = sessionOf(named)?.session.id;
  if (id === undefined) return null;
  if (claim !== null && named.some(({ name }) => name === claim.name)) return { by: 'claim', claim, id };
  return named.some(({ name }) => ownIdOf(name) === id) ? { by: 'id', id } : null;
};

const couldEnter = (caller: Caller, named: readonly Named[], now: Date): boolean => {
  const entrance = entranceOf(caller, named);
  const session = sessionOf(named);
  if (entrance === null || !session?.active || session.participant === null) return false;
  return mayEnter(session.participant, session.own, entrance, now);
};
