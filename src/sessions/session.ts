import { hasJoined, isSessionActive, lapsesAt, type ParticipantState, stateOf } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { SessionId, UserId } from '../core/ids.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { UserCard } from '../users/index.ts';
import { invitedAtOf } from './joining.ts';

export interface ParticipantView {
  readonly user_id: string;
  readonly username: string | null;
  readonly role: ParticipantRow['role'];
  readonly state: ParticipantState;
  /** Null for who started the session. */
  readonly invited_at: Date | null;
  /** Null for those who never joined. */
  readonly joined_at: Date | null;
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
  /** In seconds. */
  readonly idle_after: number | null;
  readonly last_active_at: Date | null;
  /** When the secrets in it are erased, after its end. */
  readonly erase_after: Date | null;
  readonly cleaned_up_at: Date | null;
  readonly participants: readonly ParticipantView[];
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** All that somebody sees of a session that they were invited to and have not joined. */
export interface InvitationView {
  readonly id: string;
  readonly title: string | null;
  readonly invited_by: { readonly id: string; readonly username: string | null };
  readonly invited_at: Date;
  readonly status: SessionRow['status'];
}

export const sessionEnded = (): KeyholdError =>
  new KeyholdError('state_conflict', 'This session has ended. Start a new one.');

export const sessionOwnerOnly = (): KeyholdError =>
  new KeyholdError('owner_only', 'Only the owner of the session may do this.');

/** True when the caller's credential is bound to another session and lacks `secrets:own`: this one does not exist for it. */
export const isBoundElsewhere = (caller: Caller, id: SessionId): boolean =>
  caller.boundToSession && !caller.permissions.has('secrets:own') && caller.session !== id;

/** A session as it is shown. One whose time is over is shown as ended since then, though no row says so yet. */
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
    ended_at: row.ended_at ?? (ended ? lapsesAt(row) : null),
    metadata: row.metadata,
    idle_after: row.idle_after,
    last_active_at: row.last_active_at,
    erase_after: row.erase_after,
    cleaned_up_at: row.cleaned_up_at,
    participants: participants.map((one) => participantView(one, cards)),
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
};

const participantView = (row: ParticipantRow, cards: ReadonlyMap<UserId, UserCard>): ParticipantView => ({
  user_id: row.user_id,
  username: cards.get(row.user_id)?.username ?? null,
  role: row.role,
  state: stateOf(row),
  invited_at: invitedAtOf(row),
  joined_at: hasJoined(row) ? row.joined_at : null,
});

/** An invitation as it is shown to the invited user, whose row this is. */
export const invitationOf = (
  session: SessionRow,
  row: ParticipantRow,
  cards: ReadonlyMap<UserId, UserCard>,
  now: Date,
): InvitationView => {
  const inviter = inviterOf(session, row);
  return {
    id: session.id,
    title: session.title,
    invited_by: { id: inviter, username: cards.get(inviter)?.username ?? null },
    invited_at: invitedAtOf(row) ?? session.created_at,
    status: isSessionActive(session, now) ? 'active' : 'ended',
  };
};

/** Rows of before there were invitations do not say who added their user. Only the session's owner could. */
export const inviterOf = (session: SessionRow, row: ParticipantRow): UserId => row.invited_by ?? session.owner_id;
