import type { OwnerKeyId, UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface OwnerKeyRow {
  id: OwnerKeyId;
  owner_id: UserId;
  wrapped_key: string;
  root_key_id: string;
  /** `destroyed`: the key is gone, and the row stays only until nothing refers to it. */
  state: 'active' | 'retiring' | 'destroyed';
  created_at: Date;
  seal: Buffer;
}

export const owner_keys: SealedTableOf<OwnerKeyRow, never> = {
  table: 'owner_keys',
  key: ['id'],
  sealed: { id: 'uuid', owner_id: 'uuid', wrapped_key: 'text', root_key_id: 'text', state: 'text', created_at: 'time' },
  unsealed: {},
};
