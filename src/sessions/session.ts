import { isSessionActive } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { SessionId, UserId } from '../core/ids.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { UserCard } from '../users/index.ts';

export interface ParticipantView {
  readonly user_id: string;
  readonly username: string | null;
  readonly role: ParticipantRow['role'];
  readonly joined_at: Date;
}

export interface SessionView {
  readonly id: string;
  readonly external_id: string | null;
  readonly owner_id: string;
  readonly title: string | null;
  readonly status: SessionRow['status'];
  readonly expires_at: Date | null;
  readonly ended_at: Date | null;
  readonly metadata: SessionRow['metadata'];
  readonly participants: readonly ParticipantView[];
  readonly created_at: Date;
  readonly updated_at: Date;
}

export const sessionEnded = (): KeyholdError =>
  new KeyholdError('state_conflict', 'This session has ended. Start a new one.');

export const sessionOwnerOnly = (): KeyholdError =>
  new KeyholdError('owner_only', 'Only the owner of the session may do this.');

/** True when the caller's credential is bound to another session and lacks `secrets:own`: this one does not exist for it. */
export const isBoundElsewhere = (caller: Caller, id: SessionId): boolean =>
  caller.boundToSession && !caller.permissions.has('secrets:own') && caller.session !== id;

/** A session as it is shown. One past its `expires_at` is shown as ended at that time, though no row says so. */
export const viewOf = (
  row: SessionRow,
  participants: readonly ParticipantRow[],
  cards: ReadonlyMap<UserId, UserCard>,
  now: Date,
): SessionView => {
  const ended = !isSessionActive(row, now);
  return {
    id: row.id,
    external_id: row.external_id,
    owner_id: row.owner_id,
    title: row.title,
    status: ended ? 'ended' : 'active',
    expires_at: row.expires_at,
    ended_at: row.ended_at ?? (ended ? row.expires_at : null),
    metadata: row.metadata,
    participants: participants.map((one) => ({
      user_id: one.user_id,
      username: cards.get(one.user_id)?.username ?? null,
      role: one.role,
      joined_at: one.joined_at,
    })),
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
};
