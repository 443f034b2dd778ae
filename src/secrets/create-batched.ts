import { isExpired, mayPlace, rowsUnchanged } from '../access/index.ts';
import { createGroupedBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import { asUnavailable, isLockTimeout, isRetryable, isUnavailable, violatedIndex } from '../db/postgres-errors.ts';
import { exactVersionOf, type OwnerKeys, type Unchanged } from '../keys/index.ts';
import type { CreateSecret } from './input.ts';
import type { NewSecret, NewSecrets } from './new-secret.ts';
import { type SecretView, viewOf } from './view.ts';

/** One caller's secret, encrypted under the owner's key as it was last seen. */
interface PendingCreate extends NewSecret {
  /** What must still be so: the rows that let the caller in, and the owner's key. */
  readonly unchanged: Unchanged;
}

export type CreateBatched = (caller: Caller, input: CreateSecret) => Promise<SecretView | null>;

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly ownerKeys: OwnerKeys;
  readonly newSecrets: NewSecrets;
}

/**
 * Creates secrets by one statement that needs no transaction: it writes secret and record only if the rows that let the
 * caller in and the owner's key are as they were verified. Creations that arrive together from one credential are written
 * together. Resolves to null, having written nothing, where that does not apply or something changed. The caller then falls
 * back to the transaction, which succeeds or records the refusal.
 */
export const createCreateBatched = ({ db, clock, ownerKeys, newSecrets }: Deps): CreateBatched => {
  const write = async (pending: readonly PendingCreate[]): Promise<boolean[]> => {
    const [{ unchanged }] = pending as readonly [PendingCreate];
    const expiries = pending.map(({ row }) => row.expires_at).filter(isDate);
    const before = [...(unchanged.before ?? []), ...expiries];
    try {
      const written = await newSecrets.insert(db, pending, 'owner', { ...unchanged, before });
      return pending.map(() => written);
    } catch (error) {
      if (pending.length > 1 && (violatedIndex(error) !== undefined || isLockTimeout(error))) {
        // One name that is taken or locked undoes the whole batch, which is then tried one by one.
        throw error;
      }
      if (violatedIndex(error) !== undefined || isRetryable(error)) return pending.map(() => false);
      throw asUnavailable(error);
    }
  };

  const written = createGroupedBatcher(versionsOf, write, {
    maxBatchSize: 64,
    concurrency: 2,
    isSharedFailure: isUnavailable,
  });

  return async (caller, input) => {
    const now = clock.now();
    const unchanged = rowsUnchanged(caller, now);
    const key = ownerKeys.recent(caller.userId);
    if (unchanged === null || key === null || !reliesOnCallerAlone(caller, input)) return null;
    const row = newSecrets.rowOf(key, input, null);
    if (isExpired({ expiresAt: row.expires_at }, now)) return null;
    const rows = [...unchanged.rows, exactVersionOf('owner_keys', key.row)];
    const isWritten = await written({ caller, row, unchanged: { ...unchanged, rows } });
    return isWritten ? viewOf(row, 'owner', caller.userId, now) : null;
  };
};

/** Names the rows that a creation rests on, as they were verified. Creations that rest on the same ones are written together. */
const versionsOf = ({ unchanged }: PendingCreate): string =>
  unchanged.rows.map(({ seal }) => Buffer.from(seal).toString('base64')).join();

/** Relies on nothing but the caller and their key: not on a session, nor on users to share with. */
const reliesOnCallerAlone = (caller: Caller, { scope = 'user', shared_with = [] }: CreateSecret): boolean =>
  scope === 'user' && shared_with.length === 0 && mayPlace(caller, 'user', null);

const isDate = (date: Date | null): date is Date => date !== null;
