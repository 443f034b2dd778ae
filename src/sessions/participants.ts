import type { Caller } from '../core/caller.ts';
import { invalid } from '../core/errors.ts';
import type { SessionId, UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { UserReference } from '../users/index.ts';
import type { SessionsContext } from './context.ts';
import { lockParticipant } from './queries.ts';
import { type SessionView, sessionOwnerOnly } from './session.ts';

export const join = (
  context: SessionsContext,
  tx: Tx,
  sessionId: SessionId,
  userId: UserId,
  role: ParticipantRow['role'],
) =>
  context.seals.insert(tx, 'session_participants', {
    session_id: sessionId,
    user_id: userId,
    role,
    joined_at: context.clock.now(),
    left_at: null,
    named_since: context.clock.now(),
  });

/** Who was never there joins, who left comes back, who is there stays. */
const bringIn = async (context: SessionsContext, tx: Tx, row: SessionRow, userId: UserId): Promise<void> => {
  const before = await lockParticipant(tx, row.id, userId);
  const role = userId === row.owner_id ? 'owner' : 'collaborator';
  if (!before) await join(context, tx, row.id, userId, role);
  else if (before.left_at !== null) {
    const now = context.clock.now();
    const back = { left_at: null, joined_at: now, named_since: before.named_since ?? now };
    await context.seals.update(tx, 'session_participants', before, back);
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
    await context.record(tx, caller, 'session.participant_add', row.id, { user_id: user.id });
    return { ok: await context.showOne(tx, row) };
  });

/**
 * Takes a user out: the owner anybody, everybody themself. Their keys go with them, without a row being touched. Who leaves
 * by themself frees the session's external id for themself, also after they were taken out or the session has ended.
 */
export const removeParticipant = (
  context: SessionsContext,
  caller: Caller,
  name: string,
  userId: UserId,
): Promise<void> =>
  (userId === caller.userId ? context.lockedIfEverJoined : context.locked)(
    caller,
    name,
    'session.participant_remove',
    async (tx, row) => {
      if (row.owner_id !== caller.userId && userId !== caller.userId) {
        return await context.refuse(tx, caller, 'session.participant_remove', row.id, sessionOwnerOnly());
      }
      const before = await lockParticipant(tx, row.id, userId);
      const themself = userId === caller.userId;
      if (before && (before.left_at === null || (themself && before.named_since !== null))) {
        await context.seals.update(tx, 'session_participants', before, {
          left_at: before.left_at ?? context.clock.now(),
          ...(themself ? { named_since: null } : {}),
        });
      }
      await context.record(tx, caller, 'session.participant_remove', row.id, { user_id: userId });
      return { ok: undefined };
    },
  );
