import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import { type Caller, isOperator } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { type JobId, newId } from '../core/ids.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { JobRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import { isFinished, type JobView, jobTarget, viewOf } from './job.ts';
import type { JobQueries } from './queries.ts';

/** A job to be started. */
export interface NewJob {
  readonly kind: string;
  readonly params: JsonObject;
  readonly cancellable: boolean;
  readonly total?: number;
  /** What was done before the job, which goes on from there. */
  readonly progress?: {
    readonly cursor: Json;
    readonly done: number;
    readonly counts: Readonly<Record<string, number>>;
  };
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: JobQueries;
}

const rowOf = (
  caller: Caller,
  { kind, params, cancellable, total, progress }: NewJob,
  now: Date,
): Unsealed<'jobs'> => ({
  id: newId<JobId>(),
  kind,
  params,
  state: 'queued',
  cancellable,
  cursor: progress?.cursor ?? null,
  total: total ?? null,
  done: progress?.done ?? 0,
  failed: 0,
  counts: progress?.counts ?? {},
  attempts: 0,
  reason: null,
  requested_by: isOperator(caller) ? null : caller.userId,
  created_at: now,
  started_at: null,
  finished_at: null,
  revision: 1,
  updated_at: now,
});

const cannotCancel = (row: JobRow): KeyholdError | null => {
  if (isFinished(row)) return new KeyholdError('state_conflict', 'This job has already ended.');
  if (!row.cancellable) return new KeyholdError('state_conflict', 'A job of this kind cannot be cancelled.');
  return null;
};

/** What a record says of a job's progress. */
export const progressOf = ({ kind, done, failed, counts }: Pick<JobRow, 'kind' | 'done' | 'failed' | 'counts'>) => ({
  kind,
  done,
  failed,
  counts,
});

export const createRequests = ({ db, clock, seals, audit, mutate, queries }: Deps) => ({
  /**
   * Writes a job in the transaction of what it goes on with, and its record. Whether the caller may start it is decided
   * by the domain. A service begins with it within seconds of the commit; `nudge` makes that at once.
   */
  start: async (tx: Tx, caller: Caller, job: NewJob): Promise<JobView> => {
    const row = await seals.insert(tx, 'jobs', rowOf(caller, job, clock.now()));
    await audit.allow(tx, caller, 'job.start', { target: jobTarget(row.id), details: { kind: row.kind } });
    return viewOf(row);
  },

  /** The jobs of a kind that are neither done nor ended, oldest first. */
  unfinished: async (handle: Db, kind: string): Promise<readonly JobView[]> =>
    (await queries.unfinished(handle, kind)).map(viewOf),

  /** One job. Throws `not_found`. The caller is an administrator or the operator. */
  get: async (_caller: Caller, id: JobId): Promise<JobView> => {
    const row = await mapDbErrors(queries.byId(db, id));
    if (!row) throw notFound();
    return viewOf(row);
  },

  /** A page of jobs, newest first. The caller is an administrator or the operator. */
  list: async (_caller: Caller, page: Page): Promise<Paged<JobView>> => {
    const ids = await mapDbErrors(queries.pageOfIds(db, page));
    const { items, next_cursor } = pageOf(ids, page.limit, (id) => id);
    return { items: (await mapDbErrors(queries.byIds(db, items))).map(viewOf), next_cursor };
  },

  /**
   * Ends a job before it is done; what it has done stays. Waits for the step under way. Throws `not_found`, and
   * `state_conflict` for a job that has ended or must not be cancelled. The caller is an administrator or the operator.
   */
  cancel: (caller: Caller, id: JobId): Promise<JobView> =>
    mutate(
      caller,
      async (tx) => {
        const row = await queries.lock(tx, id);
        const refuse = (error: KeyholdError) =>
          audit.refuse(tx, caller, 'job.cancel', { target: jobTarget(id), error });
        if (!row) return await refuse(notFound());
        const error = cannotCancel(row);
        if (error) return await refuse(error);
        const now = clock.now();
        const changes = { state: 'cancelled', finished_at: now, updated_at: now, revision: row.revision + 1 } as const;
        const cancelled = await seals.update(tx, 'jobs', row, changes);
        await audit.allow(tx, caller, 'job.cancel', { target: jobTarget(id), details: progressOf(row) });
        return { ok: viewOf(cancelled) };
      },
      // A step locks the job before anything else.
      (tx) => queries.lock(tx, id),
    ),
});
