import type { UserId, WebhookId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface WebhookRow {
  id: WebhookId;
  /** Null where an administrator made it for the whole service. */
  owner_id: UserId | null;
  url: string;
  /** The types of events that it gets; empty for all. */
  event_types: readonly string[];
  state: 'active' | 'off';
  /** Why it is off: somebody switched it off, or the receiver answered that it is gone. */
  off_reason: 'requested' | 'gone' | null;
  /** The key of its signatures, encrypted. */
  secret: string;
  /** The key before that, which signs as well until `previous_until`. */
  previous_secret: string | null;
  previous_until: Date | null;
  revision: number;
  created_at: Date;
  updated_at: Date;
  seal: Buffer;
}

export const webhooks: SealedTableOf<WebhookRow, never> = {
  table: 'webhooks',
  key: ['id'],
  sealed: {
    id: 'uuid',
    owner_id: 'uuid',
    url: 'text',
    event_types: 'json',
    state: 'text',
    off_reason: 'text',
    secret: 'text',
    previous_secret: 'text',
    previous_until: 'time',
    revision: 'bigint',
    created_at: 'time',
    updated_at: 'time',
  },
  unsealed: {},
};
