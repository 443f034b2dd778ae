import type { SealedTableOf } from './sealed-table.ts';

/** A running service, or an operator's command, and the keys that it holds. It counts as live for 30 s after `seen_at`. */
export interface HeartbeatRow {
  service_id: string;
  /** Where it runs, for people. */
  host: string;
  pid: number;
  /** The root keys that it has proved, the primary first. */
  root_key_ids: readonly string[];
  /** The newest generation of the seal key that it verifies. */
  known_generation: number;
  /** The generation with which it seals. */
  sealing_generation: number;
  started_at: Date;
  /** By the database's clock, which all services share. */
  seen_at: Date;
  seal: Buffer;
}

export const heartbeats: SealedTableOf<HeartbeatRow, never> = {
  table: 'heartbeats',
  key: ['service_id'],
  sealed: {
    service_id: 'uuid',
    host: 'text',
    pid: 'int',
    root_key_ids: 'json',
    known_generation: 'int',
    sealing_generation: 'int',
    started_at: 'time',
    seen_at: 'time',
  },
  unsealed: {},
};
