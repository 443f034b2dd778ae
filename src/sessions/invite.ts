import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { UserReference, Users } from '../users/index.ts';
import { insertParticipant, invitationEvent, invitedParticipant } from './insert.ts';
import { changesOnInviting } from './joining.ts';
import type { MutateSession } from './mutate-session.ts';
import type { SessionQueries } from './queries.ts';
import type { SessionView } from './session.ts';
import type { Show } from './show.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly idempotency: Idempotency;
  readonly users: Pick<Users, 'lockActive'>;
  readonly queries: Pick<SessionQueries, 'lockParticipant'>;
  readonly mutateSession: MutateSession;
  readonly show: Show;
}

export const createInviting = (deps: Deps) => {
  const { clock, seals, audit, idempotency, users, queries, mutateSession, show } = deps;

  /** Writes the invitation; false where it changes nothing. It makes nobody present. */
  const write = async (tx: Tx, caller: Caller, session: SessionRow, userId: UserId): Promise<boolean> => {
    const { row, broken } = await queries.lockParticipant(tx, session.id, userId);
    if (broken) throw integrityBroken();
    const invitation = { invited_at: clock.now(), invited_by: caller.userId };
    if (row === null) {
      await insertParticipant(seals, tx, invitedParticipant(session.id, userId, invitation));
      return true;
    }
    const changes = changesOnInviting(row, invitation);
    if (changes) await seals.update(tx, 'session_participants', row, changes);
    return changes !== null;
  };

  const invite = async (
    tx: Tx,
    caller: Caller,
    session: SessionRow,
    who: UserReference,
  ): Promise<Outcome<readonly string[]>> => {
    const target = { type: 'session', id: session.id } as const;
    const user = await users.lockActive(tx, who);
    if (!user) return await audit.refuse(tx, caller, inviting, { target, error: unknownUser(who) });
    const isNew = await write(tx, caller, session, user.id);
    const tells = isNew ? [invitationEvent(session.id, user.id)] : [];
    await audit.allow(tx, caller, inviting, { target, details: { user_id: user.id }, tells });
    return { ok: [session.id] };
  };

  return {
    /**
     * Invites a user to an active session, once for an idempotency key. Its owner only. Who is present, invited or free to
     * join stays as they are. Throws `invalid_request`.
     */
    invite: (
      caller: Caller,
      name: string,
      who: UserReference,
      request: IdempotentRequest | null,
    ): Promise<SessionView> =>
      mutateSession.ownedAndActive(caller, { name, action: inviting }, async (tx, session) => {
        const outcome = await idempotency.once(tx, caller, request, () => invite(tx, caller, session, who));
        return 'refused' in outcome ? outcome : { ok: await show.one(tx, session, caller.userId) };
      }),
  };
};

const inviting = 'session.participant_add' satisfies AuditAction;

const unknownUser = (who: UserReference) =>
  invalid('userId' in who ? 'user_id' : 'username', 'names a user who is unknown or disabled.');
