import type { UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

/**
 * One change of an identity: a user was disabled or erased, or enabled again. Entries are numbered from 1 without a gap and
 * are never changed or deleted; the newest one of an identity counts.
 */
export interface ClosedIdentityRow {
  entry: number;
  /** HMAC under the lookup key, of the user's id or of their issuer and subject. */
  mac: Buffer;
  kind: 'id' | 'subject';
  user_id: UserId;
  state: 'closed' | 'open';
  created_at: Date;
  seal: Buffer;
}

export const closed_identities: SealedTableOf<ClosedIdentityRow, never> = {
  table: 'closed_identities',
  key: ['entry'],
  sealed: { entry: 'bigint', mac: 'bytes', kind: 'text', user_id: 'uuid', state: 'text', created_at: 'time' },
  unsealed: {},
};

/** The one row that says how many entries there are, so that a missing one is noticed. */
export interface ClosedIdentityCountRow {
  id: number;
  entries: number;
  seal: Buffer;
}

export const closed_identity_count: SealedTableOf<ClosedIdentityCountRow, never> = {
  table: 'closed_identity_count',
  key: ['id'],
  sealed: { id: 'int', entries: 'bigint' },
  unsealed: {},
};
