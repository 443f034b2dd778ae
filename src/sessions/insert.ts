import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { newId, type SessionId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Tx } from '../db/database.ts';
import type { ParticipantRow } from '../db/tables/index.ts';
import type { Unsealed } from '../keys/index.ts';

/** A session to be started. Its owner and the `others` are present from the start. */
export interface NewSession {
  readonly externalId: string | null;
  readonly ownerId: UserId;
  readonly title: string | null;
  readonly expiresAt: Date | null;
  readonly metadata: JsonObject;
  readonly others: readonly UserId[];
}

interface Deps {
  readonly audit: Audit;
  readonly clock: Clock;
}

export type InsertSession = (tx: Tx, caller: Caller, session: NewSession) => Promise<SessionId>;

/** Writes a session with its participants and its record in one statement; resolves to its id. */
export const createInsertSession =
  ({ audit, clock }: Deps): InsertSession =>
  async (tx, caller, session) => {
    const id = newId<SessionId>();
    const now = clock.now();
    const { ownerId, others } = session;
    const participants = [
      newParticipant(id, ownerId, 'owner', now),
      ...others.map((userId) => newParticipant(id, userId, 'collaborator', now)),
    ];
    const entry = {
      action: 'session.create',
      target: { type: 'session', id },
      outcome: 'allowed',
      details: { participants: [ownerId, ...others] },
    } as const;
    const rows = [
      { table: 'sessions', rows: [newSession(id, session, now)] },
      { table: 'session_participants', rows: participants },
    ] as const;
    await audit.insert(tx, rows, [{ actor: caller, entry }]);
    return id;
  };

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

const newSession = (
  id: SessionId,
  { externalId, ownerId, title, expiresAt, metadata }: NewSession,
  now: Date,
): Unsealed<'sessions'> => ({
  id,
  external_id: externalId,
  owner_id: ownerId,
  title,
  status: 'active',
  expires_at: expiresAt,
  ended_at: null,
  metadata,
  created_at: now,
  updated_at: now,
});
