import type { JobId, UserId } from '../../core/ids.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface JobRow {
  id: JobId;
  kind: string;
  /** What the job is about: ids and choices, never a value or a key. */
  params: JsonObject;
  state: 'queued' | 'running' | 'done' | 'cancelled' | 'failed';
  /** Whether somebody may end it before it is done. */
  cancellable: boolean;
  /** Where the next step goes on; null before the first one. */
  cursor: Json;
  /** How many rows there are to work on, where that is known. */
  total: number | null;
  /** Rows worked on, each once. */
  done: number;
  /** Rows that could not be worked on, each once. */
  failed: number;
  /** What was done, by names of the kind's own. */
  counts: Readonly<Record<string, number>>;
  /** Steps in a row that failed and wrote nothing. */
  attempts: number;
  /** Why the job failed. */
  reason: string | null;
  /** Null for the operator. */
  requested_by: UserId | null;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  revision: number;
  updated_at: Date;
  seal: Buffer;
}

export const jobs: SealedTableOf<JobRow, 'updated_at'> = {
  table: 'jobs',
  key: ['id'],
  sealed: {
    id: 'uuid',
    kind: 'text',
    params: 'json',
    state: 'text',
    cancellable: 'bool',
    cursor: 'json',
    total: 'int',
    done: 'int',
    failed: 'int',
    counts: 'json',
    attempts: 'int',
    reason: 'text',
    requested_by: 'uuid',
    created_at: 'time',
    started_at: 'time',
    finished_at: 'time',
    revision: 'bigint',
  },
  unsealed: {
    updated_at: { kind: 'time', why: 'only tells when the job seems to be left alone, and doing it twice is harmless' },
  },
};
