import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { JobId } from '../core/ids.ts';
import { createComplaints, createLoop } from '../core/loop.ts';
import type { Db } from '../db/database.ts';
import { type JobSchemaState, jobSchemaState } from '../db/job-schema.ts';
import type { QueueDatabase } from '../db/queue-database.ts';
import type { JobRow } from '../db/tables/index.ts';
import { isAbandoned } from './job.ts';
import type { JobKinds } from './kind.ts';
import type { JobQueries } from './queries.ts';
import type { JobMessage, JobQueue } from './queue.ts';
import type { TakeStep } from './step.ts';

/** Works on jobs while the service runs. */
export interface JobRunner {
  start(): void;
  /** Looks for jobs now, after one was committed. */
  nudge(): Promise<void>;
  /** Stops after the step under way, for two seconds at most. Another service, or the next start, goes on. */
  stop(): Promise<void>;
}

export interface JobLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

interface Deps {
  readonly db: Db;
  readonly queueDatabase: QueueDatabase;
  readonly clock: Clock;
  readonly queries: Pick<JobQueries, 'unfinished'>;
  readonly takeStep: TakeStep;
  readonly kinds: JobKinds;
  readonly log: JobLog;
}

const lookMs = 5000;
/** How many looks without a job close the queue, and how many are between two looks at the schema at rest. */
const restingLooks = 12;
const sliceMs = 20_000;
const resendMs = 60_000;

const advice: Readonly<Record<Exclude<JobSchemaState, 'ready'>, string>> = {
  missing: 'the schema keyhold_jobs is missing. Run "keyhold migrate up".',
  older: 'the schema keyhold_jobs is of an older version. Run "keyhold migrate up".',
  newer: 'the schema keyhold_jobs is of a newer version. Start the newer version of Keyhold.',
  closed: 'the service’s role may not use the schema keyhold_jobs. Run "keyhold migrate up".',
};

/**
 * Looks for unfinished rows of `public.jobs`, and only where there are any opens the queue, sends a message for each that
 * has none and takes messages. A service at rest does not load pg-boss. Messages can be lost, forged and sent twice:
 * only the sealed row says what there is to do.
 */
export const createJobRunner = ({ db, queueDatabase, clock, queries, takeStep, kinds, log }: Deps): JobRunner => {
  let queue: JobQueue | null = null;
  let stopping = false;
  let looks = 0;
  let restingSince = 0;
  let reported: JobSchemaState = 'ready';

  const sent = new Map<JobId, { readonly revision: number; readonly at: number }>();

  const send = async (message: JobMessage, delaySeconds = 0): Promise<void> => {
    sent.set(message.id, { revision: message.revision, at: performance.now() + delaySeconds * 1000 });
    await queue?.send(message, delaySeconds);
    setTimeout(() => queue?.wake(), delaySeconds * 1000).unref();
  };

  /** Takes steps for a while, and then lets the next message have its turn. */
  const slice = async ({ id, revision }: JobMessage): Promise<void> => {
    const end = performance.now() + sliceMs;
    let after = await takeStep(id, revision);
    while (after.next === 'step' && !stopping && performance.now() < end) {
      // Requests are answered between two steps.
      await setImmediate();
      after = await takeStep(id, after.revision);
    }
    if (after.next === 'nothing') return;
    await send({ id, revision: after.revision }, after.next === 'wait' ? after.seconds : 0);
  };

  const report = (state: JobSchemaState): void => {
    if (state === reported) return;
    reported = state;
    if (state === 'ready') log.info({}, 'Jobs run again.');
    else log.warn({}, `Jobs do not run: ${advice[state]}`);
  };

  const closeQueue = async (): Promise<void> => {
    // The slice under way sends its message before this is done.
    await queue?.close();
    queue = null;
    sent.clear();
  };

  const isDue = (row: JobRow): boolean => {
    const last = sent.get(row.id);
    const isSent = last !== undefined && last.revision === row.revision && performance.now() - last.at < resendMs;
    return !isSent && (row.state === 'queued' || looks === 1 || isAbandoned(row, clock.now()));
  };

  const sendDue = async (rows: readonly JobRow[]): Promise<void> => {
    queue ??= await openQueue();
    for (const row of rows.filter(isDue)) await send(row);
  };

  const look = async (): Promise<void> => {
    looks += 1;
    const rows = (await queries.unfinished(db)).filter(({ kind }) => Object.hasOwn(kinds, kind));
    if (rows.length > 0) restingSince = looks;
    const isResting = queue !== null && looks - restingSince >= restingLooks;
    const isRoutine = rows.length === 0 && !isResting;
    if (isRoutine && looks % restingLooks !== 1) return;
    const state = await jobSchemaState(db);
    report(state);
    if (state !== 'ready' || isResting) await closeQueue();
    else if (!isRoutine) await sendDue(rows);
  };

  const complaints = createComplaints((message) => log.warn({ message }, 'Jobs do not run at the moment.'));

  const openQueue = async (): Promise<JobQueue> => {
    const { openJobQueue } = await import('./queue.ts');
    return await openJobQueue(queueDatabase, slice, complaints.about);
  };

  const lookOrComplain = async (): Promise<void> => {
    try {
      await look();
      complaints.over();
    } catch (error) {
      complaints.about(error);
    }
  };

  const loop = createLoop(lookOrComplain, lookMs);
  return {
    start: loop.start,
    nudge: loop.nudge,
    stop: async () => {
      stopping = true;
      await loop.stop();
      await closeQueue();
    },
  };
};
