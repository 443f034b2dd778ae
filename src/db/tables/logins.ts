import type { LoginId, UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface LoginRow {
  id: LoginId;
  user_id: UserId;
  refresh_generation: number;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  ip: string | null;
  user_agent: string | null;
  last_used_at: Date;
  /** The root key of the refresh token; null for a login that was last refreshed before this column was there. */
  root_key_id: string | null;
  seal: Buffer;
}

export const logins: SealedTableOf<LoginRow, 'last_used_at'> = {
  table: 'logins',
  key: ['id'],
  sealed: {
    id: 'uuid',
    user_id: 'uuid',
    refresh_generation: 'int',
    created_at: 'time',
    expires_at: 'time',
    ended_at: 'time',
    ip: 'text',
    user_agent: 'text',
    root_key_id: { kind: 'text', since: 2, default: null, expendable: 'it only helps to count what needs a root key' },
  },
  unsealed: { last_used_at: { kind: 'time', why: 'shown only' } },
};
