import { type RawBuilder, sql } from 'kysely';
import { isExpired, mayPlace, rowsUnchanged } from '../access/index.ts';
import { createGroupedBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import { asUnavailable, isLockTimeout, isRetryable, isUnavailable } from '../db/postgres-errors.ts';
import type { OwnerKeyRow } from '../db/tables/index.ts';
import type { SecretsContext } from './context.ts';
import { createdEntry, type NewSecretRow, newSecretRow } from './create.ts';
import { type CreateSecret, checkPlacement } from './input.ts';
import { type SecretView, viewOf } from './view.ts';

/** One caller's secret, encrypted under the owner's key as it was last seen. */
interface PendingCreate {
  readonly caller: Caller;
  /** True in SQL while what let the caller in stands. */
  readonly verifiedRows: RawBuilder<boolean>;
  readonly key: OwnerKeyRow;
  readonly row: NewSecretRow;
}

/** Those whose creations rest on the same rows, as they were verified. */
const sameGrounds = ({ caller, key }: PendingCreate): string =>
  [...caller.verifiedRows, key].map(({ seal }) => Buffer.from(seal).toString('base64')).join();

/** Relies on nothing but the caller and their key: not on a session, nor on those it would be shared with. */
const standsAlone = (caller: Caller, { scope = 'user', shared_with = [] }: CreateSecret): boolean =>
  scope === 'user' && shared_with.length === 0 && mayPlace(caller, 'user', null);

const futureOnly = sql<boolean>`(secrets.expires_at is null or secrets.expires_at > clock_timestamp())`;

/**
 * The short way to create a secret: one statement that holds what the caller stands on, as `mutate` does, and writes
 * secret and record only if all of it is still as it was verified. What arrives together from one credential is written
 * together. Resolves to null where the short way does not lead, with nothing written: the transaction of `createSecret`
 * then does it, or says and records why not.
 */
export const createBatched = (context: SecretsContext) => {
  const { clock, ownerKeys, audit, seals, db } = context;

  const madeOf = async (wishes: readonly PendingCreate[]): Promise<ReadonlySet<string>> => {
    const [{ verifiedRows, key }] = wishes as readonly [PendingCreate];
    const condition = sql<boolean>`${verifiedRows} and ${ownerKeys.stillActive(key)} and ${futureOnly}`;
    const records = wishes.map(({ caller, row }) => ({ actor: caller, entry: createdEntry(row) }));
    const secrets = wishes.map(({ row }) => row);
    try {
      return await audit.commitWith(records, (rows) => seals.insertWithRecords(db, secrets, rows, condition));
    } catch (error) {
      // Another transaction holds these rows, or the name of one of several: the way by the transaction tries each alone.
      if (isRetryable(error) || (wishes.length > 1 && isLockTimeout(error))) return new Set<string>();
      throw asUnavailable(error);
    }
  };

  const write = async (wishes: readonly PendingCreate[]): Promise<boolean[]> => {
    const made = await madeOf(wishes);
    return wishes.map(({ row }) => made.has(row.id));
  };
  const written = createGroupedBatcher(sameGrounds, write, {
    maxBatchSize: 64,
    concurrency: 2,
    isSharedFailure: isUnavailable,
  });

  return async (caller: Caller, input: CreateSecret): Promise<SecretView | null> => {
    checkPlacement(input);
    const now = clock.now();
    const verifiedRows = rowsUnchanged(caller, now);
    const key = ownerKeys.recent(caller.userId);
    if (verifiedRows === null || key === null || !standsAlone(caller, input)) return null;
    const row = newSecretRow(context, key, input, null);
    if (isExpired({ expiresAt: row.expires_at }, now)) return null;
    return (await written({ caller, verifiedRows, key, row })) ? viewOf(row, 'owner', caller.userId, now) : null;
  };
};
