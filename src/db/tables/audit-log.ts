import type { JsonObject } from '../../core/json.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface AuditRow {
  id: string;
  recorded_at: Date;
  request_id: string;
  actor_id: string | null;
  agent: string | null;
  session_id: string | null;
  token_id: string | null;
  action: string;
  target_type: string | null;
  target_id: string | null;
  outcome: 'allowed' | 'refused' | 'failed';
  reason: string | null;
  ip: string | null;
  user_agent: string | null;
  details: JsonObject;
  nonce: Buffer;
  seal: Buffer;
}

export const audit_log: SealedTableOf<AuditRow, never> = {
  table: 'audit_log',
  key: ['id'],
  sealed: {
    id: 'uuid',
    recorded_at: 'time',
    request_id: 'text',
    actor_id: 'uuid',
    agent: 'text',
    session_id: 'uuid',
    token_id: 'uuid',
    action: 'text',
    target_type: 'text',
    target_id: 'uuid',
    outcome: 'text',
    reason: 'text',
    ip: 'text',
    user_agent: 'text',
    details: 'json',
    nonce: 'bytes',
  },
  unsealed: {},
};
