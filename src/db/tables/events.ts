import type { EventRowId, SecretId, SessionId, UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { SealedTableOf } from './sealed-table.ts';

/** One event as one user is told of it. */
export interface EventRow {
  id: EventRowId;
  /** The same in the rows of everybody who is told of this event. */
  event_id: string;
  /** Who is told; null where nobody but the service's own webhooks is. */
  user_id: UserId | null;
  /** True in exactly one row of each event. */
  lead: boolean;
  /** The order in which events are read, given after their commit; null until then. */
  position: number | null;
  type: string;
  /** Who did it; null for the service itself and the operator. */
  actor_id: UserId | null;
  agent: string | null;
  secret_id: SecretId | null;
  session_id: SessionId | null;
  /** The revision of the secret that the event made, by which a receiver can order events about one secret. */
  revision: number | null;
  /** Ids, times, numbers and closed words only: never a name or a value. */
  details: JsonObject;
  created_at: Date;
  seal: Buffer;
}

export const events: SealedTableOf<EventRow, 'position'> = {
  table: 'events',
  key: ['id'],
  sealed: {
    id: 'uuid',
    event_id: 'uuid',
    user_id: 'uuid',
    lead: 'bool',
    type: 'text',
    actor_id: 'uuid',
    agent: 'text',
    secret_id: 'uuid',
    session_id: 'uuid',
    revision: 'bigint',
    details: 'json',
    created_at: 'time',
  },
  unsealed: { position: { kind: 'bigint', why: 'only says in which order events are read' } },
};

/** How far events were given positions and trimmed. One row, whose lock makes one service at a time the writer. */
export interface EventLogRow {
  id: number;
  last_position: number;
  /** Events up to this position are no longer kept. */
  trimmed_position: number;
}
