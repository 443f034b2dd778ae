import { createCallerState, createMutate } from '../../src/access/index.ts';
import { createAudit } from '../../src/audit/index.ts';
import { type Caller, operator } from '../../src/core/caller.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { type JobId, newId } from '../../src/core/ids.ts';
import { type Database, inTransaction } from '../../src/db/database.ts';
import { createJobs, type JobKind, type Jobs } from '../../src/jobs/index.ts';
import { createSeals, inspectServiceKeys, type Seals, type Unsealed } from '../../src/keys/index.ts';
import type { TestApp } from './app.ts';

/** One service's jobs on a database, with connections of its own. */
export interface JobService {
  readonly jobs: Jobs;
  readonly seals: Seals;
  readonly database: Database;
  /** What was logged, as messages. */
  readonly logged: readonly string[];
  readonly caller: Caller;
  /** Starts a job as the operator, and has this service look for it. */
  begin(kind: string, params?: object, cancellable?: boolean): Promise<JobId>;
  /** Works on these kinds until `stop`. */
  work(kinds: Readonly<Record<string, JobKind>>): void;
  nudge(): void;
  stop(): Promise<void>;
}

export const jobService = async (app: TestApp, clock: Clock = systemClock): Promise<JobService> => {
  const database = app.database.open(4);
  const { db } = database;
  const seals = createSeals(() => app.app.keys.held().sealKeys);
  const audit = createAudit({ clock, seals, onRecord: () => undefined });
  const mutate = createMutate({ db, audit, callerState: createCallerState({ db, seals, clock }) });
  const jobs = createJobs({ database, clock, seals, audit, mutate });
  const logged: string[] = [];
  const log = (details: object, message: string) => void logged.push(`${message} ${JSON.stringify(details)}`);
  const caller = operator('test');
  let stop = async (): Promise<void> => undefined;
  return {
    jobs,
    seals,
    database,
    logged,
    caller,
    begin: async (kind, params = {}, cancellable = true) => {
      const job = { kind, params: params as Readonly<Record<string, string>>, cancellable };
      const { id } = await inTransaction(db, (tx) => jobs.start(tx, caller, job));
      jobs.nudge();
      return id;
    },
    work: (kinds) => {
      const runner = jobs.runner(kinds, { info: log, warn: log });
      runner.start();
      stop = runner.stop;
    },
    nudge: () => jobs.nudge(),
    stop: async () => {
      await stop();
      await database.close();
    },
  };
};

/** Writes a job as the service could have, with a seal that holds. */
export const storeJob = async (
  app: Pick<TestApp, 'db' | 'clock' | 'rootKeys'>,
  changes: Partial<Unsealed<'jobs'>> = {},
): Promise<JobId> => {
  const { db } = app.db;
  const { sealKeys } = await inspectServiceKeys(db, app.rootKeys.read()?.keys ?? []);
  if (!sealKeys) throw new Error('the root keys do not open the seal key');
  const now = app.clock.now();
  const row: Unsealed<'jobs'> = {
    id: newId<JobId>(),
    kind: 'of-another-version',
    params: {},
    state: 'queued',
    cancellable: true,
    cursor: null,
    total: 10,
    done: 0,
    failed: 0,
    counts: {},
    attempts: 0,
    reason: null,
    requested_by: null,
    created_at: now,
    started_at: null,
    finished_at: null,
    revision: 1,
    updated_at: now,
    ...changes,
  };
  return (await createSeals(() => sealKeys).insert(db, 'jobs', row)).id;
};
