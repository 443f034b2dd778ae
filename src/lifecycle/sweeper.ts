import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { createLoop } from '../core/loop.ts';
import type { Sweep, SweepBatch } from '../core/sweep.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import type { SweepClocks } from './clock-watch.ts';
import type { Hold } from './hold.ts';

/** Does what time makes due, while the service runs. */
export interface Sweeper {
  start(): void;
  /** Looks now; resolves when everything that was due is done. */
  nudge(): Promise<void>;
  /** Stops after the batch under way. */
  stop(): Promise<void>;
}

export interface SweeperLog {
  warn(details: object, message: string): void;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly clocks: SweepClocks;
  readonly hold: Pick<Hold, 'isHeld' | 'isClockHeld'>;
  readonly watchClock: () => Promise<void>;
  readonly sweeps: readonly Sweep<Tx>[];
  readonly log: SweeperLog;
}

interface SizedBatch extends SweepBatch {
  /** How many rows it was for at most. */
  readonly size: number;
}

const lookMs = 30_000;
const batchSize = 100;
/** How long it rests after a batch, in times that the batch took, so that requests have most of the machine. */
const restFactor = 4;
const maxRestMs = 2000;
const nothing: SweepBatch = { done: 0, after: null };

/**
 * Runs every sweep again and again, a batch in one transaction each. Several services take turns: an advisory lock makes one of
 * them at a time do a batch of a sweep, and the batch looks for itself what is due. A service that is killed leaves the rest
 * of the batch undone, and the next look does it.
 */
export const createSweeper = ({ db, clock, clocks, hold, watchClock, sweeps, log }: Deps): Sweeper => {
  let stopping = false;
  const complaints = new Map<string, string>();

  /** The earlier of the two clocks: nothing happens early because one of them is ahead. */
  const earlier = async (tx: Tx, ours: Date): Promise<Date> => {
    const theirs = await clocks.databaseNow(tx);
    return ours.getTime() <= theirs.getTime() ? ours : theirs;
  };

  const isHeld = async (tx: Tx, sweep: Sweep<Tx>): Promise<boolean> =>
    (await hold.isClockHeld(tx)) || (sweep.isFinal && (await hold.isHeld(tx)));

  /**
   * The clock is read before the watch looks at it. If it was set ahead before this batch, even in the middle of a look, the
   * watch notices, and the batch is held. A jump that cannot be noted fails the batch.
   */
  const batch = async (sweep: Sweep<Tx>, after: string | null, size: number): Promise<SweepBatch> => {
    const ours = clock.now();
    await watchClock();
    return await inTransaction(db, async (tx) => {
      if (!(await isOurTurn(tx, sweep.name)) || (await isHeld(tx, sweep))) return nothing;
      return await sweep.step(tx, await earlier(tx, ours), after, size);
    });
  };

  /** A batch that fails may be too large for the time that it has, or hold one row that fails: it is tried again with fewer. */
  const batchOrSmaller = async (sweep: Sweep<Tx>, after: string | null, size: number): Promise<SizedBatch> => {
    try {
      return { ...(await batch(sweep, after, size)), size };
    } catch (error) {
      if (size === 1 || stopping) throw error;
      return await batchOrSmaller(sweep, after, Math.ceil(size / 10));
    }
  };

  const run = async (sweep: Sweep<Tx>): Promise<void> => {
    let after: string | null = null;
    let size = batchSize;
    do {
      const startedMs = performance.now();
      ({ after, size } = await batchOrSmaller(sweep, after, size));
      if (after !== null) await setTimeout(Math.min(maxRestMs, restFactor * (performance.now() - startedMs)));
    } while (after !== null && !stopping);
  };

  /** While the same goes wrong again and again, the first complaint is enough. */
  const orComplain = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      complaints.delete(name);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (complaints.get(name) !== message)
        log.warn({ sweep: name, message }, 'What is due cannot be done at the moment.');
      complaints.set(name, message);
    }
  };

  const look = async (): Promise<void> => {
    for (const sweep of sweeps) if (!stopping) await orComplain(sweep.name, () => run(sweep));
  };

  const loop = createLoop(look, lookMs);
  return {
    start: loop.start,
    nudge: loop.nudge,
    stop: async () => {
      stopping = true;
      await loop.stop();
    },
  };
};

const isOurTurn = async (tx: Tx, name: string): Promise<boolean> => {
  const { rows } = await sql<{ ours: unknown }>`select pg_try_advisory_xact_lock(hashtextextended(${name}, 7403118))
    as ours`.execute(tx);
  return rows[0]?.ours === true;
};
