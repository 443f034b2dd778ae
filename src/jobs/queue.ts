import { PgBoss } from 'pg-boss';
import { isUuid, type JobId } from '../core/ids.ts';
import { jobQueue, jobSchema } from '../db/job-schema.ts';
import type { QueueDatabase } from '../db/queue-database.ts';

/** What a message says: which job, and at which revision it was sent. Anybody who can write to the database can send one. */
export interface JobMessage {
  readonly id: JobId;
  readonly revision: number;
}

/** The queue that services share. */
export interface JobQueue {
  send(message: JobMessage, delaySeconds?: number): Promise<void>;
  /** Looks for messages now. */
  wake(): void;
  /** Stops taking messages, and waits for the slice under way, for two seconds at most. */
  close(): Promise<void>;
}

const pollSeconds = 5;
const superviseSeconds = 60;
const closeMs = 2000;

/** The message in what was received, or null where it is none of ours. */
const readMessage = (data: unknown): JobMessage | null => {
  const { id, revision } = (data ?? {}) as { readonly id?: unknown; readonly revision?: unknown };
  return typeof id === 'string' && isUuid(id) && Number.isSafeInteger(revision)
    ? { id: id as JobId, revision: revision as number }
    : null;
};

/** Begins to take messages, one at a time. It issues no DDL, and rejects where the schema is of another version. */
export const openJobQueue = async (
  database: QueueDatabase,
  handle: (message: JobMessage) => Promise<void>,
  onError: (error: Error) => void,
): Promise<JobQueue> => {
  const boss = new PgBoss({
    db: database,
    schema: jobSchema,
    migrate: false,
    createSchema: false,
    schedule: false,
    registerInstance: false,
    reindex: false,
    monitorVacuum: false,
    superviseIntervalSeconds: superviseSeconds,
  });
  boss.on('error', onError);
  try {
    await boss.start();
    const worker = await boss.work(jobQueue, { pollingIntervalSeconds: pollSeconds }, async (received) => {
      for (const { data } of received) {
        const message = readMessage(data);
        if (message) await handle(message);
      }
      // Where there was one message, the next is not waited for.
      boss.notifyWorker(worker);
    });
    return {
      send: async (message, delaySeconds = 0) => {
        await boss.send(jobQueue, { ...message }, { startAfter: delaySeconds });
      },
      wake: () => boss.notifyWorker(worker),
      close: () => boss.stop({ close: false, timeout: closeMs }),
    };
  } catch (error) {
    await boss.stop({ close: false, graceful: false });
    throw error;
  }
};
