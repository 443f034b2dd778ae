import type { SessionId, TokenId, UserId } from '../../core/ids.ts';
import type { Permission } from '../../core/permissions.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface TokenRow {
  id: TokenId;
  user_id: UserId;
  name: string;
  token_hash: Buffer;
  permissions: readonly Permission[];
  agent: string | null;
  session_id: SessionId | null;
  created_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
  last_used_at: Date | null;
  seal: Buffer;
}

export const tokens: SealedTableOf<TokenRow, 'last_used_at'> = {
  table: 'tokens',
  key: ['id'],
  sealed: {
    id: 'uuid',
    user_id: 'uuid',
    name: 'text',
    token_hash: 'bytes',
    permissions: 'json',
    agent: 'text',
    session_id: 'uuid',
    created_at: 'time',
    expires_at: 'time',
    revoked_at: 'time',
  },
  unsealed: { last_used_at: { kind: 'time', why: 'shown only' } },
};
