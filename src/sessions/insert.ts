import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { newId, type SessionId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { ParticipantRow } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import { notWritten, type Seals, type Unsealed } from '../keys/index.ts';

/** A session to be started. Its owner is present from the start; the `others` are invited. */
export interface NewSession {
  readonly externalId: string | null;
  /** The external issuer in whose name space the external id lies; null where it is the owner's own. */
  readonly issuer: string | null;
  readonly ownerId: UserId;
  readonly title: string | null;
  readonly expiresAt: Date | null;
  readonly metadata: JsonObject;
  /** After how many seconds without activity it ends; null for never. */
  readonly idleAfter: number | null;
  readonly others: readonly UserId[];
}

interface Deps {
  readonly audit: Audit;
  readonly clock: Clock;
}

/** Keeps external ids unique among the sessions of one owner. */
export const externalIdIndex = 'ux_sessions_owner_external_id';

export type InsertSession = (tx: Tx, caller: Caller, session: NewSession) => Promise<SessionId>;

/** Writes a session with its participants and its record in one statement; resolves to its id. */
export const createInsertSession =
  ({ audit, clock }: Deps): InsertSession =>
  async (tx, caller, session) => {
    const id = newId<SessionId>();
    const now = clock.now();
    const { ownerId, others } = session;
    const participants = [
      startingParticipant(id, ownerId, now),
      ...others.map((userId) => invitedParticipant(id, userId, { invited_at: now, invited_by: ownerId })),
    ];
    const entry = {
      action: 'session.create',
      target: { type: 'session', id },
      outcome: 'allowed',
      details: { participants: [ownerId, ...others] },
      tells: [
        { type: 'session.started', to: [ownerId], sessionId: id },
        ...others.map((user_id) => invitationEvent(id, user_id)),
      ],
    } as const;
    const rows = [
      { table: 'sessions', rows: [newSession(id, session, now)] },
      { table: 'session_participants', rows: participants },
    ] as const;
    await audit.insert(tx, rows, [{ actor: caller, entry }]);
    return id;
  };

/** What a user is told who is invited. */
export const invitationEvent = (sessionId: SessionId, user_id: UserId): NewEvent => ({
  type: 'invitation.received',
  to: [user_id],
  sessionId,
  details: { user_id },
});

const never = { left_at: null, removed_at: null, named_since: null } as const;

/** The row of the user who starts the session. */
export const startingParticipant = (id: SessionId, userId: UserId, now: Date): Unsealed<'session_participants'> => ({
  ...never,
  session_id: id,
  user_id: userId,
  role: 'owner',
  joined_at: now,
  named_since: now,
  invited_at: null,
  invited_by: null,
});

/** The row of a user who is invited for the first time. */
export const invitedParticipant = (
  id: SessionId,
  userId: UserId,
  invitation: Pick<ParticipantRow, 'invited_at' | 'invited_by'>,
): Unsealed<'session_participants'> => ({
  ...never,
  ...invitation,
  session_id: id,
  user_id: userId,
  role: 'collaborator',
  joined_at: null,
});

/** The row of a new session. */
export const newSession = (
  id: SessionId,
  { externalId, issuer, ownerId, title, expiresAt, idleAfter, metadata }: NewSession,
  now: Date,
): Unsealed<'sessions'> => ({
  id,
  external_id: externalId,
  issuer,
  owner_id: ownerId,
  title,
  status: 'active',
  expires_at: expiresAt,
  ended_at: null,
  metadata,
  idle_after: idleAfter,
  last_active_at: idleAfter === null ? null : now,
  erase_after: null,
  cleaned_up_at: null,
  created_at: now,
  updated_at: now,
});

/** Writes a participant's row. Throws `unavailable` when the user has one after all, which the database did not show. */
export const insertParticipant = async (seals: Seals, tx: Tx, row: Unsealed<'session_participants'>): Promise<void> => {
  try {
    await seals.insert(tx, 'session_participants', row);
  } catch (error) {
    throw violatedIndex(error) === undefined ? error : notWritten('session_participants');
  }
};
