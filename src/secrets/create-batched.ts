import { isExpired, mayPlace, rowsUnchanged } from '../access/index.ts';
import { createGroupedBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import { asUnavailable, isLockTimeout, isRetryable, isUnavailable, violatedIndex } from '../db/postgres-errors.ts';
import { exactVersionOf, type Unchanged } from '../keys/index.ts';
import type { SecretsContext } from './context.ts';
import { insertSecrets, type NewSecretRow, newSecretRow } from './create.ts';
import { type CreateSecret, checkPlacement } from './input.ts';
import { type SecretView, viewOf } from './view.ts';

/** One caller's secret, encrypted under the owner's key as it was last seen. */
interface PendingCreate {
  readonly caller: Caller;
  readonly row: NewSecretRow;
  /** What must still be so: the rows that let the caller in, and the owner's key. */
  readonly unchanged: Unchanged;
}

/** Names the rows that a creation rests on, as they were verified; creations that rest on the same ones are written together. */
const versionsOf = ({ unchanged }: PendingCreate): string =>
  unchanged.rows.map(({ seal }) => Buffer.from(seal).toString('base64')).join();

/** Relies on nothing but the caller and their key: not on a session, nor on those it would be shared with. */
const reliesOnCallerAlone = (caller: Caller, { scope = 'user', shared_with = [] }: CreateSecret): boolean =>
  scope === 'user' && shared_with.length === 0 && mayPlace(caller, 'user', null);

const isPresent = (date: Date | null): date is Date => date !== null;

/**
 * Creates secrets by one statement that needs no transaction: it writes secret and record only if the rows that let the
 * caller in and the owner's key are as they were verified. Creations that arrive together from one credential are written
 * together. Resolves to null, having written nothing, when that does not apply or something changed. The caller then falls
 * back to `createSecret`, which succeeds or records the refusal.
 */
export const createBatched = (context: SecretsContext) => {
  const { clock, ownerKeys, db } = context;

  const write = async (pending: readonly PendingCreate[]): Promise<boolean[]> => {
    const [{ unchanged }] = pending as readonly [PendingCreate];
    const deadlines = pending.map(({ row }) => row.expires_at).filter(isPresent);
    const before = [...(unchanged.before ?? []), ...deadlines];
    try {
      const written = await insertSecrets(context, db, pending, 'owner', { ...unchanged, before });
      return pending.map(() => written);
    } catch (error) {
      // A name that is taken, a lock that is held: the batch is tried one by one, and one alone goes by the transaction.
      if (pending.length > 1 && (violatedIndex(error) !== undefined || isLockTimeout(error))) throw error;
      if (violatedIndex(error) !== undefined || isRetryable(error)) return pending.map(() => false);
      throw asUnavailable(error);
    }
  };

  const written = createGroupedBatcher(versionsOf, write, {
    maxBatchSize: 64,
    concurrency: 2,
    isSharedFailure: isUnavailable,
  });

  return async (caller: Caller, input: CreateSecret): Promise<SecretView | null> => {
    checkPlacement(input);
    const now = clock.now();
    const unchanged = rowsUnchanged(caller, now);
    const key = ownerKeys.recent(caller.userId);
    if (unchanged === null || key === null || !reliesOnCallerAlone(caller, input)) return null;
    const row = newSecretRow(context, key, input, null);
    if (isExpired({ expiresAt: row.expires_at }, now)) return null;
    const rows = [...unchanged.rows, exactVersionOf('owner_keys', key)];
    const pending = { caller, row, unchanged: { ...unchanged, rows } };
    return (await written(pending)) ? viewOf(row, 'owner', caller.userId, now) : null;
  };
};
