import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import { commitOrThrow, type Db, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { CallerState } from './revalidate.ts';

/**
 * `first` takes the exclusive locks that `work` needs on rows that revalidating the caller locks in share mode. Two requests
 * that first share such a row and then both want it exclusively would deadlock.
 */
export type Mutate = <T>(
  caller: Caller,
  work: (tx: Tx) => Promise<Outcome<T>>,
  first?: (tx: Tx) => Promise<unknown>,
) => Promise<T>;

interface Deps {
  readonly db: Db;
  readonly callerState: CallerState;
  readonly audit: Audit;
}

export const waitingPeriod = (): KeyholdError =>
  new KeyholdError(
    'waiting_period',
    'An administrator reset this password. Until the waiting period is over, this login can list but not reveal or change anything. An earlier login can cancel the reset.',
  );

/**
 * The gate of every change. In one transaction it revalidates and locks the caller, then `work` decides, writes and records.
 * A refusal that `work` returns is thrown after the commit, so that its record stays. A waiting credential changes nothing.
 */
export const createMutate =
  ({ db, callerState, audit }: Deps): Mutate =>
  (caller, work, first) =>
    commitOrThrow(db, async (tx) => {
      await first?.(tx);
      const refusal = caller.waiting ? waitingPeriod() : await callerState.revalidate(tx, caller);
      if (refusal === null) return await work(tx);
      await audit.record(tx, caller, { action: 'request.refused', outcome: 'refused', reason: refusal.code });
      return refusedWith(refusal);
    });
