import { isSessionActive, type ParticipantState, stateOf } from '../access/index.ts';
import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { Users } from '../users/index.ts';
import { type HandOver, hasSuchSession } from './hand-over.ts';
import { externalIdIndex, insertParticipant, invitedParticipant } from './insert.ts';
import { changesOnLeaving, hasInvitation } from './joining.ts';
import type { MutateSession } from './mutate-session.ts';
import type { SessionQueries } from './queries.ts';
import { sessionOwnerOnly } from './session.ts';
import type { Told } from './told.ts';

interface Deps {
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly users: Pick<Users, 'active'>;
  readonly queries: Pick<SessionQueries, 'lockParticipant'>;
  readonly mutateSession: MutateSession;
  readonly handOver: HandOver;
  readonly told: Told;
}

interface Left {
  readonly before: ParticipantState;
}

/** Who leaves which session, and to whom its owner hands it; null for the one who has been there longest. */
export interface Leaving {
  readonly name: string;
  readonly userId: UserId;
  readonly newOwner: UserId | null;
}

export const createLeaving = ({ clock, now, seals, audit, users, queries, mutateSession, handOver, told }: Deps) => {
  const lock = async (tx: Tx, session: SessionRow, userId: UserId): Promise<ParticipantRow | null> => {
    const { row, broken } = await queries.lockParticipant(tx, session.id, userId);
    if (broken) throw integrityBroken();
    return row;
  };

  /** What the user was in the session before; null for one who was never in it and is nobody here. */
  const leave = async (tx: Tx, caller: Caller, session: SessionRow, userId: UserId): Promise<Left | null> => {
    const row = await lock(tx, session, userId);
    const moment = clock.now();
    if (row) {
      const changes = changesOnLeaving(row, userId === caller.userId, moment);
      if (changes) await seals.update(tx, 'session_participants', row, changes);
      return { before: hasInvitation(row) ? 'invited' : stateOf(row) };
    }
    // Disabled users are as unknown here as nobody: else this would tell who is disabled.
    if (!(await users.active(tx, [userId])).has(userId)) return null;
    // The user was never here, or the database hides that they are. Writing their row tells these apart: in the second
    // case it fails, and nothing is acknowledged.
    const absent = invitedParticipant(session.id, userId, { invited_at: null, invited_by: null });
    await insertParticipant(seals, tx, { ...absent, left_at: moment, removed_at: moment });
    return { before: 'left' };
  };

  const remove = async (
    tx: Tx,
    caller: Caller,
    session: SessionRow,
    { userId, newOwner }: Leaving,
  ): Promise<Outcome<void>> => {
    const target = { type: 'session', id: session.id } as const;
    const owns = session.owner_id === caller.userId;
    const byThemselves = userId === caller.userId;
    const refuse = (error: ReturnType<typeof notFound>) => audit.refuse(tx, caller, removing, { target, error });
    if (!owns && !byThemselves) return await refuse(sessionOwnerOnly());
    if (owns && byThemselves && isSessionActive(session, await now(tx)))
      return await handOver(tx, caller, session, newOwner);
    if (newOwner !== null) return await refuse(noOwnerToName());
    const left = await leave(tx, caller, session, userId);
    if (!left) return await audit.refuse(tx, caller, removing, { target, error: notFound(), reason: 'nothing' });
    const tells = await told.leaving(tx, session, userId, { byThemselves, before: left.before });
    await audit.allow(tx, caller, removing, { target, details: { user_id: userId }, tells });
    return { ok: undefined };
  };

  return {
    /**
     * Takes a user out of a session: the owner anyone, others themselves only. The user's secrets leave with them, without
     * being changed. Who was only invited declines by it, or loses the invitation. Throws `not_found` for an id that is
     * nobody's. Leaving also frees the session's external id for the user, even after they were taken out or the session has
     * ended. An owner who leaves an active session hands it over, or ends it where nobody else is present.
     */
    removeParticipant: async (caller: Caller, leaving: Leaving): Promise<void> => {
      const change = leaving.userId === caller.userId ? mutateSession.leavable : mutateSession.visible;
      const { name } = leaving;
      try {
        await change(caller, { name, action: removing }, (tx, session) => remove(tx, caller, session, leaving));
      } catch (error) {
        throw violatedIndex(error) === externalIdIndex ? hasSuchSession(error) : error;
      }
    },
  };
};

const removing = 'session.participant_remove' satisfies AuditAction;

const noOwnerToName = () => invalid('new_owner', 'only goes with the owner of an active session leaving it.');
