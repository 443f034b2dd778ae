import { uptime } from 'node:os';
import { type Audit, systemActor } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { type Db, inTransaction } from '../db/database.ts';
import type { Seals } from '../keys/index.ts';

/** Clocks by which the sweeper tells the time. Tests pass in others. */
export interface SweepClocks {
  /** The database's time. */
  databaseNow(db: Db): Promise<Date>;
  /** Milliseconds that have really passed since some moment, also while the machine slept, whatever its clock says. */
  elapsedMs(): number;
}

/** On Linux, the time since the machine was started, which no setting of the clock changes and sleep does not stop. */
export const elapsedMs = (): number => uptime() * 1000;

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly elapsedMs: () => number;
  readonly warn: (message: string) => void;
}

const toleranceMs = 10 * 60_000;

/**
 * Notices that the clock was set ahead while the service ran, and then holds back what would become due by it, until an
 * operator has released it. A clock that was set back makes nothing due, and may be set right again.
 */
export const createClockWatch = ({ db, clock, seals, audit, elapsedMs: elapsed, warn }: Deps) => {
  let aheadMs = elapsed() - clock.now().getTime();

  return async (): Promise<void> => {
    const jumpMs = clock.now().getTime() + aheadMs - elapsed();
    if (jumpMs <= toleranceMs) return;
    const seconds = Math.min(Math.round(jumpMs / 1000), 2 ** 31 - 1);
    await inTransaction(db, async (tx) => {
      await seals.insert(tx, 'holds', { id: newId(), noticed_at: clock.now(), seconds, released_at: null });
      await audit.record(tx, systemActor('clock'), { action: 'clock.jump', outcome: 'allowed', details: { seconds } });
    });
    aheadMs -= jumpMs;
    warn(
      `The clock went ${seconds} seconds ahead. Reminders, and the erasure of what is due, wait until "keyhold restore --release".`,
    );
  };
};
