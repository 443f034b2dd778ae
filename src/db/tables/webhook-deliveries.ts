import type { DeliveryId, EventRowId, SecretId, WebhookId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';

/** One event for one webhook: what is sent, and how far that is. */
export interface WebhookDeliveryRow {
  id: DeliveryId;
  webhook_id: WebhookId;
  /** The id that the receiver sees, the same for each attempt. */
  event_id: string;
  /** The row of the event; null for a test. */
  event_row_id: EventRowId | null;
  event_type: string;
  /** First attempts of one webhook about one secret are made in the order of `position`. */
  secret_id: SecretId | null;
  position: number;
  /** The bytes that are signed and sent, as text. */
  payload: string;
  created_at: Date;
  state: 'pending' | 'delivered' | 'dead' | 'cancelled';
  /** Attempts since the delivery was asked for last. */
  attempts: number;
  /** While an attempt is under way, when another one may be made. */
  next_attempt_at: Date;
  /** When the first attempt ended. */
  attempted_at: Date | null;
  last_status: number | null;
  /** Why the last attempt failed, in a word of ours. */
  last_error: string | null;
  delivered_at: Date | null;
  /** Host and port of the receiver. */
  host: string;
  seal: Buffer;
}

type Progress =
  | 'state'
  | 'attempts'
  | 'next_attempt_at'
  | 'attempted_at'
  | 'last_status'
  | 'last_error'
  | 'delivered_at'
  | 'host';

const decidedAgain = 'each attempt decides again from sealed rows, and sending the same twice is part of the promise';

export const webhook_deliveries: SealedTableOf<WebhookDeliveryRow, Progress> = {
  table: 'webhook_deliveries',
  key: ['id'],
  sealed: {
    id: 'uuid',
    webhook_id: 'uuid',
    event_id: 'uuid',
    event_row_id: 'uuid',
    event_type: 'text',
    secret_id: 'uuid',
    position: 'bigint',
    payload: 'text',
    created_at: 'time',
  },
  unsealed: {
    state: { kind: 'text', why: decidedAgain },
    attempts: { kind: 'int', why: decidedAgain },
    next_attempt_at: { kind: 'time', why: decidedAgain },
    attempted_at: { kind: 'time', why: decidedAgain },
    last_status: { kind: 'int', why: 'shown only' },
    last_error: { kind: 'text', why: 'shown only' },
    delivered_at: { kind: 'time', why: 'shown only' },
    host: { kind: 'text', why: 'only spreads attempts over receivers; the sealed webhook says where they go' },
  },
};
