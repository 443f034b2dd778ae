import type { Audit, AuditReason } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { JobId } from '../core/ids.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { JobRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import { isFinished, isFresh, jobTarget } from './job.ts';
import type { Job, JobKinds, Progress, StepOutcome } from './kind.ts';
import type { JobQueries } from './queries.ts';
import { progressOf } from './requests.ts';

/** Writes what is left to the caller: `kind`, where the error says what happened, is for the log. */
export type OnStepFailed = (error: unknown, job: Pick<JobRow, 'id' | 'kind'>) => void;

/** What follows a step: another one, later or now, of the job at this revision, or nothing. */
export type AfterStep =
  | { readonly next: 'step'; readonly revision: number }
  | { readonly next: 'wait'; readonly revision: number; readonly seconds: number }
  | { readonly next: 'nothing' };

/**
 * Takes the next step of a job, if it is as it was at `revision`, or if nobody has worked on it for a while. So of two
 * services that work on one job, the one that did not take the last step leaves it to the other. Never rejects.
 */
export type TakeStep = (id: JobId, revision: number) => Promise<AfterStep>;

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly queries: Pick<JobQueries, 'lock'>;
  readonly kinds: JobKinds;
  readonly onFailed: OnStepFailed;
}

const nothing = { next: 'nothing' } as const;
const maxAttempts = 10;
const maxWaitSeconds = 30;
const retrySeconds = 5;

const jobOf = (row: JobRow): Job<JsonObject, Json> => ({
  id: row.id,
  params: row.params,
  cursor: row.cursor,
  total: row.total,
  counts: row.counts,
  requestedBy: row.requested_by,
});

const sumOf = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> => {
  const sum = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
};

/** The row's columns with a step's progress added. */
const progressed = (row: JobRow, { total, done = 0, failed = 0, counts = {} }: Progress, now: Date) => ({
  total: total ?? row.total,
  done: row.done + done,
  failed: row.failed + failed,
  counts: sumOf(row.counts, counts),
  started_at: row.started_at ?? now,
  updated_at: now,
  revision: row.revision + 1,
});

type Changes = Partial<Unsealed<'jobs'>>;

export const createTakeStep = ({ db, clock, seals, audit, queries, kinds, onFailed }: Deps): TakeStep => {
  /** The job, locked, if it is for us to work on. */
  const lockOurs = async (tx: Tx, id: JobId, revision: number): Promise<JobRow | null> => {
    const row = await queries.lock(tx, id);
    if (!row || isFinished(row)) return null;
    return row.revision === revision || !isFresh(row, clock.now()) ? row : null;
  };

  const finish = async (tx: Tx, row: JobRow, changes: Changes, reason: AuditReason | null): Promise<AfterStep> => {
    const state = reason === null ? 'done' : 'failed';
    const ended = await seals.update(tx, 'jobs', row, { ...changes, state, reason, finished_at: clock.now() });
    const origin = { requestId: row.id, ip: null, userAgent: null };
    await audit.record(
      tx,
      { origin, userId: row.requested_by },
      {
        action: 'job.finish',
        target: jobTarget(row.id),
        outcome: reason === null ? 'allowed' : 'failed',
        reason,
        details: progressOf(ended),
      },
    );
    return nothing;
  };

  const write = async (tx: Tx, row: JobRow, outcome: StepOutcome<Json>): Promise<AfterStep> => {
    const changes = { ...progressed(row, outcome, clock.now()), attempts: 0 };
    if (outcome.next === 'finish') return await finish(tx, row, changes, null);
    if (outcome.next === 'fail') return await finish(tx, row, changes, outcome.reason);
    const { revision } = await seals.update(tx, 'jobs', row, { ...changes, state: 'running', cursor: outcome.cursor });
    if (outcome.next === 'step') return { next: 'step', revision };
    return { next: 'wait', revision, seconds: Math.min(outcome.seconds, maxWaitSeconds) };
  };

  /** Counts a step that failed for another reason than the database; after ten in a row, the job has failed. */
  const countFailure = (id: JobId, revision: number): Promise<AfterStep> =>
    inTransaction(db, async (tx) => {
      const row = await lockOurs(tx, id, revision);
      if (!row) return nothing;
      const attempts = row.attempts + 1;
      const changes = { ...progressed(row, {}, clock.now()), attempts };
      if (attempts >= maxAttempts) return await finish(tx, row, changes, 'internal');
      const written = await seals.update(tx, 'jobs', row, { ...changes, state: 'running' });
      return { next: 'wait', revision: written.revision, seconds: Math.min(2 ** attempts, maxWaitSeconds) };
    });

  return async (id, revision) => {
    let kind = '';
    try {
      return await inTransaction(db, async (tx) => {
        const row = await lockOurs(tx, id, revision);
        const work = row && Object.hasOwn(kinds, row.kind) ? kinds[row.kind] : undefined;
        if (!row || !work) return nothing;
        kind = row.kind;
        return await write(tx, row, await work.step(tx, jobOf(row)));
      });
    } catch (error) {
      onFailed(error, { id, kind });
      const later = { next: 'wait', revision, seconds: retrySeconds } as const;
      return isUnavailable(error) ? later : await countFailure(id, revision).catch(() => later);
    }
  };
};
