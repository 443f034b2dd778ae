import type { UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface IdempotencyRow {
  user_id: UserId;
  route: string;
  key: string;
  body_mac: Buffer;
  resource_ids: readonly string[];
  created_at: Date;
  seal: Buffer;
}

export const idempotency_keys: SealedTableOf<IdempotencyRow, never> = {
  table: 'idempotency_keys',
  key: ['user_id', 'route', 'key'],
  sealed: { user_id: 'uuid', route: 'text', key: 'text', body_mac: 'bytes', resource_ids: 'json', created_at: 'time' },
  unsealed: {},
};
