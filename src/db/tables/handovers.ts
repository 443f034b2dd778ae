import type { HandoverId, SecretId, UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

/** An offer to give away one secret, or everything that a disabled user owns. */
export interface HandoverRow {
  id: HandoverId;
  kind: 'secret' | 'user';
  /** Null for everything of a user. */
  secret_id: SecretId | null;
  from_user: UserId;
  to_user: UserId;
  requested_by: UserId;
  /** Whether those with whom it is shared keep their access. */
  keep_sharing: boolean;
  state: 'pending' | 'accepted' | 'cancelled';
  /** From when on it can be accepted. */
  ready_at: Date;
  created_at: Date;
  decided_at: Date | null;
  seal: Buffer;
}

export const handovers: SealedTableOf<HandoverRow, never> = {
  table: 'handovers',
  key: ['id'],
  sealed: {
    id: 'uuid',
    kind: 'text',
    secret_id: 'uuid',
    from_user: 'uuid',
    to_user: 'uuid',
    requested_by: 'uuid',
    keep_sharing: 'bool',
    state: 'text',
    ready_at: 'time',
    created_at: 'time',
    decided_at: 'time',
  },
  unsealed: {},
};
