import type { SessionId, UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface SessionRow {
  id: SessionId;
  external_id: string | null;
  /** The external issuer in whose name space the external id lies; null where it is the owner's own. */
  issuer: string | null;
  owner_id: UserId;
  title: string | null;
  status: 'active' | 'ended';
  expires_at: Date | null;
  ended_at: Date | null;
  metadata: JsonObject;
  /** After how many seconds without a request that names it the session ends; null for never. */
  idle_after: number | null;
  /** When a request last named the session, moved at most once an hour; null before any was noted. */
  last_active_at: Date | null;
  /** Of a session that has ended: when the secrets in it are erased. */
  erase_after: Date | null;
  /** When they were erased. */
  cleaned_up_at: Date | null;
  created_at: Date;
  updated_at: Date;
  seal: Buffer;
}

export const sessions: SealedTableOf<SessionRow, 'updated_at'> = {
  table: 'sessions',
  key: ['id'],
  sealed: {
    id: 'uuid',
    external_id: 'text',
    owner_id: 'uuid',
    title: 'text',
    status: 'text',
    expires_at: 'time',
    ended_at: 'time',
    metadata: 'json',
    created_at: 'time',
    issuer: { kind: 'text', since: 2, default: null },
    idle_after: { kind: 'int', since: 3, default: null },
    last_active_at: { kind: 'time', since: 3, default: null },
    erase_after: { kind: 'time', since: 3, default: null },
    cleaned_up_at: { kind: 'time', since: 3, default: null },
  },
  unsealed: { updated_at: { kind: 'time', why: 'shown only' } },
};
