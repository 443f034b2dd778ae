import type { Role } from '../../core/caller.ts';
import type { UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { UserStatus } from '../../core/user-status.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface UserRow {
  id: UserId;
  username: string;
  username_key: string;
  email: string | null;
  display_name: string | null;
  password_hash: string | null;
  /** The password before an administrator's reset, kept while the reset can be called off. */
  previous_password_hash: string | null;
  password_reset_at: Date | null;
  issuer: string | null;
  subject: string | null;
  role: Role;
  status: UserStatus;
  secrets_from: Date | null;
  metadata: JsonObject;
  revision: number;
  created_at: Date;
  updated_at: Date;
  seal: Buffer;
}

export const users: SealedTableOf<UserRow, 'updated_at'> = {
  table: 'users',
  key: ['id'],
  sealed: {
    id: 'uuid',
    username: 'text',
    username_key: 'text',
    email: 'text',
    display_name: 'text',
    password_hash: 'text',
    previous_password_hash: 'text',
    password_reset_at: 'time',
    issuer: 'text',
    subject: 'text',
    role: 'text',
    status: 'text',
    secrets_from: 'time',
    metadata: 'json',
    revision: 'bigint',
    created_at: 'time',
  },
  unsealed: { updated_at: { kind: 'time', why: 'shown only' } },
};
