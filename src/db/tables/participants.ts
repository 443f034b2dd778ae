import type { SessionId, UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface ParticipantRow {
  session_id: SessionId;
  user_id: UserId;
  role: 'owner' | 'collaborator';
  joined_at: Date;
  left_at: Date | null;
  /** Since when the session's external id means it to the user; null once they left by themselves. See sessions/resolve.ts. */
  named_since: Date | null;
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
  },
  unsealed: {},
};
