import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Database } from '../db/database.ts';
import type { Seals } from '../keys/index.ts';
import type { JobKinds } from './kind.ts';
import { createQueries } from './queries.ts';
import { createRequests } from './requests.ts';
import { createJobRunner, type JobLog, type JobRunner } from './runner.ts';
import { createTakeStep } from './step.ts';

export type { JobView } from './job.ts';
export { type JobKind, type JobKinds, jobKind, type StepOutcome } from './kind.ts';

const stepFailed = 'A step of a job failed, and will be taken again.';

interface Deps {
  readonly database: Database;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
}

export type Jobs = ReturnType<typeof createJobs>;

/** Long work: domains start it in their own transactions, and services work on it apart from requests. */
export const createJobs = ({ database, clock, seals, audit, mutate }: Deps) => {
  const { db } = database;
  const queries = createQueries(seals);
  let running: JobRunner | null = null;
  return {
    ...createRequests({ db, clock, seals, audit, mutate, queries }),

    /** Works on jobs of these kinds, once it is started. */
    runner: (kinds: JobKinds, log: JobLog): JobRunner => {
      const onFailed = (error: unknown, job: object): void =>
        // Not the error itself: PostgreSQL's details can hold a row.
        log.warn({ job, stack: error instanceof Error ? error.stack : String(error) }, stepFailed);
      const takeStep = createTakeStep({ db, clock, seals, audit, queries, kinds, onFailed });
      running = createJobRunner({ db, queueDatabase: database.queue, clock, queries, takeStep, kinds, log });
      return running;
    },

    /** Has this process look for jobs now. Call it after the commit of a transaction that started one. */
    nudge: (): void => void running?.nudge(),
  };
};
