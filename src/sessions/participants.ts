import type { Caller } from '../core/caller.ts';
import { invalid } from '../core/errors.ts';
import type { SessionId, UserId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import { integrityBroken, type Unsealed } from '../keys/index.ts';
import type { UserReference } from '../users/index.ts';
import type { SessionsContext } from './context.ts';
import { type SessionView, sessionOwnerOnly } from './session.ts';

/** The row of a user who joins now. */
export const newParticipant = (
  sessionId: SessionId,
  userId: UserId,
  role: ParticipantRow['role'],
  now: Date,
): Unsealed<'session_participants'> => ({
  session_id: sessionId,
  user_id: userId,
  role,
  joined_at: now,
  left_at: null,
  named_since: now,
});

/** A user who was never there joins, one who left comes back, one who is there stays. */
const bringIn = async (context: SessionsContext, tx: Tx, session: SessionRow, userId: UserId): Promise<void> => {
  const { row, broken } = await context.queries.lockParticipant(tx, session.id, userId);
  if (broken) throw integrityBroken();
  const now = context.clock.now();
  const role = userId === session.owner_id ? 'owner' : 'collaborator';
  if (!row) await context.seals.insert(tx, 'session_participants', newParticipant(session.id, userId, role, now));
  else if (row.left_at !== null) {
    const back = { left_at: null, joined_at: now, named_since: row.named_since ?? now };
    await context.seals.update(tx, 'session_participants', row, back);
  }
};

/** Adds a user; twice is the same as once. The session's owner only. */
export const addParticipant = (
  context: SessionsContext,
  caller: Caller,
  name: string,
  who: UserReference,
): Promise<SessionView> =>
  context.asOwnerOfActive(caller, name, 'session.participant_add', async (tx, row) => {
    const user = await context.users.hold(tx, who);
    if (!user) {
      const unknown = invalid('userId' in who ? 'user_id' : 'username', 'names a user who is unknown or disabled.');
      return await context.refuse(tx, caller, 'session.participant_add', row.id, unknown);
    }
    await bringIn(context, tx, row, user.id);
    await context.allow(tx, caller, 'session.participant_add', row.id, { user_id: user.id });
    return { ok: await context.showOne(tx, row) };
  });

/** What leaving changes of a participant's row, or null where it changes nothing. */
const leaving = (before: ParticipantRow | null, byThemselves: boolean, now: Date) => {
  if (before === null || (before.left_at !== null && !(byThemselves && before.named_since !== null))) return null;
  return { left_at: before.left_at ?? now, ...(byThemselves ? { named_since: null } : {}) };
};

const removeFrom = async (
  context: SessionsContext,
  tx: Tx,
  caller: Caller,
  session: SessionRow,
  userId: UserId,
): Promise<Outcome<void>> => {
  const byThemselves = userId === caller.userId;
  if (session.owner_id !== caller.userId && !byThemselves) {
    return await context.refuse(tx, caller, 'session.participant_remove', session.id, sessionOwnerOnly());
  }
  const { row, broken } = await context.queries.lockParticipant(tx, session.id, userId);
  if (broken) throw integrityBroken();
  const changes = leaving(row, byThemselves, context.clock.now());
  if (row && changes) await context.seals.update(tx, 'session_participants', row, changes);
  await context.allow(tx, caller, 'session.participant_remove', session.id, { user_id: userId });
  return { ok: undefined };
};

/**
 * Takes a user out of a session: its owner takes out anybody, everybody else takes out themselves. The secrets that they
 * lent go with them, without a row of these being touched. A user who leaves also frees the session's external id
 * for themselves, even after they were taken out or the session has ended.
 */
export const removeParticipant = (
  context: SessionsContext,
  caller: Caller,
  name: string,
  userId: UserId,
): Promise<void> => {
  const locked = userId === caller.userId ? context.lockedIfEverJoined : context.locked;
  return locked(caller, name, 'session.participant_remove', (tx, row) => removeFrom(context, tx, caller, row, userId));
};
