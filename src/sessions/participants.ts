import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import { integrityBroken, notWritten, type Seals, type Unsealed } from '../keys/index.ts';
import type { UserReference, Users } from '../users/index.ts';
import { newParticipant } from './insert.ts';
import type { MutateSession } from './mutate-session.ts';
import type { SessionQueries } from './queries.ts';
import { type SessionView, sessionOwnerOnly } from './session.ts';
import type { Show } from './show.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly users: Pick<Users, 'lockActive' | 'active'>;
  readonly queries: Pick<SessionQueries, 'lockParticipant'>;
  readonly mutateSession: MutateSession;
  readonly show: Show;
}

export const createParticipants = ({ clock, seals, audit, users, queries, mutateSession, show }: Deps) => {
  const lock = async (tx: Tx, session: SessionRow, userId: UserId): Promise<ParticipantRow | null> => {
    const { row, broken } = await queries.lockParticipant(tx, session.id, userId);
    if (broken) throw integrityBroken();
    return row;
  };

  /** Throws `unavailable` when the user has a row after all, which the database did not show. */
  const insert = async (tx: Tx, row: Unsealed<'session_participants'>): Promise<void> => {
    try {
      await seals.insert(tx, 'session_participants', row);
    } catch (error) {
      throw violatedIndex(error) === undefined ? error : notWritten('session_participants');
    }
  };

  const join = async (tx: Tx, session: SessionRow, userId: UserId): Promise<void> => {
    const row = await lock(tx, session, userId);
    const now = clock.now();
    if (!row) await insert(tx, newParticipant(session.id, userId, roleOf(session, userId), now));
    else if (row.left_at !== null) {
      const back = { left_at: null, joined_at: now, named_since: row.named_since ?? now };
      await seals.update(tx, 'session_participants', row, back);
    }
  };

  /** False for a user who was never in the session and is nobody here. */
  const leave = async (tx: Tx, session: SessionRow, userId: UserId, byThemselves: boolean): Promise<boolean> => {
    const row = await lock(tx, session, userId);
    const now = clock.now();
    if (row) {
      const changes = changesOnLeaving(row, byThemselves, now);
      if (changes) await seals.update(tx, 'session_participants', row, changes);
      return true;
    }
    // Disabled users are as unknown here as nobody: else this would tell who is disabled.
    if (!(await users.active(tx, [userId])).has(userId)) return false;
    // The user was never here, or the database hides that they are. Writing their row tells these apart: in the second
    // case it fails, and nothing is acknowledged.
    const absent = newParticipant(session.id, userId, roleOf(session, userId), now);
    await insert(tx, { ...absent, left_at: now, named_since: null });
    return true;
  };

  const remove = async (tx: Tx, caller: Caller, session: SessionRow, userId: UserId): Promise<Outcome<void>> => {
    const target = targetOf(session);
    const byThemselves = userId === caller.userId;
    if (session.owner_id !== caller.userId && !byThemselves)
      return await audit.refuse(tx, caller, removing, { target, error: sessionOwnerOnly() });
    if (!(await leave(tx, session, userId, byThemselves)))
      return await audit.refuse(tx, caller, removing, { target, error: notFound(), reason: 'nothing' });
    await audit.allow(tx, caller, removing, { target, details: { user_id: userId } });
    return { ok: undefined };
  };

  return {
    /** Adds a user to an active session; adding them again changes nothing. Its owner only. Throws `invalid_request`. */
    addParticipant: (caller: Caller, name: string, who: UserReference): Promise<SessionView> =>
      mutateSession.ownedAndActive(caller, { name, action: adding }, async (tx, session) => {
        const target = targetOf(session);
        const user = await users.lockActive(tx, who);
        if (!user) return await audit.refuse(tx, caller, adding, { target, error: unknownUser(who) });
        await join(tx, session, user.id);
        await audit.allow(tx, caller, adding, { target, details: { user_id: user.id } });
        return { ok: await show.one(tx, session) };
      }),

    /**
     * Takes a user out of a session: the owner anyone, others themselves only. The user's secrets leave with them, without
     * being changed. Throws `not_found` for an id that is nobody's. Leaving also frees the session's external id for the
     * user, even after they were taken out or the session has ended.
     */
    removeParticipant: (caller: Caller, name: string, userId: UserId): Promise<void> => {
      const change = userId === caller.userId ? mutateSession.everJoined : mutateSession.visible;
      return change(caller, { name, action: removing }, (tx, session) => remove(tx, caller, session, userId));
    },
  };
};

const adding = 'session.participant_add' satisfies AuditAction;
const removing = 'session.participant_remove' satisfies AuditAction;

const targetOf = (session: SessionRow) => ({ type: 'session', id: session.id }) as const;

const roleOf = (session: SessionRow, userId: UserId): ParticipantRow['role'] =>
  userId === session.owner_id ? 'owner' : 'collaborator';

const unknownUser = (who: UserReference) =>
  invalid('userId' in who ? 'user_id' : 'username', 'names a user who is unknown or disabled.');

/** What leaving changes in a participant's row, or null when nothing. Only those who leave by themselves free the name. */
const changesOnLeaving = (row: ParticipantRow, byThemselves: boolean, now: Date) => {
  const freesName = byThemselves && row.named_since !== null;
  if (row.left_at !== null && !freesName) return null;
  return { left_at: row.left_at ?? now, ...(byThemselves ? { named_since: null } : {}) };
};
