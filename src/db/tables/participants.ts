import type { SessionId, UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface ParticipantRow {
  session_id: SessionId;
  user_id: UserId;
  role: 'owner' | 'collaborator';
  /** When they last became present; null for those who never did. See access/presence.ts for rows without `invited_at`. */
  joined_at: Date | null;
  left_at: Date | null;
  /** Since when the session's external id means it to the user; null once they left by themselves. See sessions/resolve.ts. */
  named_since: Date | null;
  /** When they were last invited; null for who started the session, and in rows of before there were invitations. */
  invited_at: Date | null;
  invited_by: UserId | null;
  /** When the session's owner removed them; null again with a new invitation. */
  removed_at: Date | null;
  seal: Buffer;
}

export const session_participants: SealedTableOf<ParticipantRow, never> = {
  table: 'session_participants',
  key: ['session_id', 'user_id'],
  sealed: {
    session_id: 'uuid',
    user_id: 'uuid',
    role: 'text',
    joined_at: 'time',
    left_at: 'time',
    named_since: 'time',
    invited_at: { kind: 'time', since: 2, default: null },
    invited_by: { kind: 'uuid', since: 2, default: null },
    removed_at: { kind: 'time', since: 2, default: null },
  },
  unsealed: {},
};
