import type { AuditReason } from '../audit/index.ts';
import type { JobId, UserId } from '../core/ids.ts';
import type { Json, JsonObject } from '../core/json.ts';
import type { Tx } from '../db/database.ts';

/** A job as its kind sees it: what it is about, and how far it is. */
export interface Job<Params extends JsonObject, Cursor extends Json> {
  readonly id: JobId;
  readonly params: Params;
  /** What the step before returned; null before the first step. */
  readonly cursor: Cursor | null;
  readonly total: number | null;
  /** What was counted so far, under the kind's own names. */
  readonly counts: Readonly<Record<string, number>>;
  /** Null for the operator. */
  readonly requestedBy: UserId | null;
}

/** What one step did. The numbers are added to those of the job in the transaction of the step. */
export interface Progress {
  /** How many rows there are to work on, if that is known by now. */
  readonly total?: number;
  readonly done?: number;
  readonly failed?: number;
  readonly counts?: Readonly<Record<string, number>>;
}

/** How the job goes on after a step. */
export type StepOutcome<Cursor extends Json> = Progress &
  (
    | { readonly next: 'step'; readonly cursor: Cursor }
    /** Nothing to do before `seconds` (30 at most) have passed, for a step that waits for other services. */
    | { readonly next: 'wait'; readonly cursor: Cursor; readonly seconds: number }
    | { readonly next: 'finish' }
    | { readonly next: 'fail'; readonly reason: AuditReason }
  );

/**
 * One kind of long work. `step` does one bounded batch in a transaction in which the job's row is locked, so that a batch
 * and the progress it made are written together or not at all, and no batch is done twice. Keep it within some 20 ms of
 * CPU time and well below the database's time limit of 3 s for a statement. It must be correct in any service, after
 * any interruption, and for params that have become outdated. Lock rows in the usual order; the job's row comes first.
 */
export interface JobKind<Params extends JsonObject = JsonObject, Cursor extends Json = Json> {
  step(tx: Tx, job: Job<Params, Cursor>): Promise<StepOutcome<Cursor>>;
}

/** Every kind that this version can work on, by name. The names are stored, so they never change. */
export type JobKinds = Readonly<Record<string, JobKind>>;

/** A kind among others: its rows are sealed, so what it finds in them is what it wrote. */
export const jobKind = <Params extends JsonObject, Cursor extends Json>(kind: JobKind<Params, Cursor>): JobKind =>
  kind as unknown as JobKind;
