import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import { commitOrThrow, type Db, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { CallerState } from './revalidate.ts';

/**
 * `first` takes the locks that `work` needs on rows which confirming the caller holds too, by a weaker one: two requests
 * that first share such a row and then both want it for themselves would wait for each other.
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
    'An administrator reset this password. Until the waiting time is over this login only looks around; an earlier login can call the reset off.',
  );

/**
 * The gate of every change: in one transaction, the caller is confirmed and held still, then `work` decides, writes and
 * records. What `work` refuses is recorded and thrown after the commit. A waiting credential changes nothing.
 */
export const createMutate =
  ({ db, callerState, audit }: Deps): Mutate =>
  (caller, work, first) =>
    commitOrThrow(db, async (tx) => {
      await first?.(tx);
      const gone = caller.waiting ? waitingPeriod() : await callerState.revalidate(tx, caller);
      if (gone === null) return await work(tx);
      await audit.record(tx, caller, { action: 'request.refused', outcome: 'refused', reason: gone.code });
      return refusedWith(gone);
    });
