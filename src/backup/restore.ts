import type { Config } from '../config/config.ts';
import type { RootKeys } from '../config/root-keys.ts';
import { operator } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import { isCurrentSchema } from '../db/migrate.ts';
import { inOwnerTransaction, type OwnerTransaction, withNewDatabase, withOwnerSession } from '../db/owner-session.ts';
import { requireRootKeys } from './encryption.ts';
import { loadBackup, lockEmptySchema } from './load.ts';
import { readHeader, verifyBackup } from './read.ts';
import { openRestored, type Restored } from './restored.ts';
import { settleRestored } from './settle.ts';
import type { BackupSummary, OnRows } from './write.ts';

export interface RestoreOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly rootKeys: RootKeys | null;
  /** Identities of age. */
  readonly identities: readonly string[];
  /** Tables of the backup that are left out, where Keyhold has none of their name. */
  readonly without: readonly string[];
  readonly onStep: (step: 'verify' | 'load') => OnRows;
}

/**
 * Restores a backup into a database that is new. The whole backup is verified before anything is touched. Everything is
 * loaded in one transaction, in which `then` runs last, so that an interruption leaves an empty database. Throws
 * `state_conflict` and `invalid_request` with a sentence that says what is missing or wrong.
 */
export const restoreBackup = async <T>(
  path: string,
  { config, clock, rootKeys, identities, without, onStep }: RestoreOptions,
  then: (restored: Restored) => Promise<T>,
): Promise<{ readonly summary: BackupSummary; readonly result: T }> => {
  const header = await readHeader(path);
  requireRootKeys(header, rootKeys);
  const openWith = { rootKeys, identities };
  const summary = await verifyBackup(path, openWith, onStep('verify'));
  const load = async (transaction: OwnerTransaction): Promise<T> => {
    await lockEmptySchema(transaction.tx);
    await loadBackup(transaction, path, header, { ...openWith, without, onRows: onStep('load') });
    const restored = await openRestored(transaction.tx, { clock, rootKeys: required(rootKeys) });
    await settleRestored(restored);
    await record(restored, summary);
    return await then(restored);
  };
  const log = () => undefined;
  const result = await withNewDatabase(config, log, (session) => inOwnerTransaction(session, load));
  return { summary, result };
};

/** Runs `work` in one transaction on a database that was restored before, whether a service runs on it or not. */
export const onRestored = <T>(
  { config, clock, rootKeys }: Pick<RestoreOptions, 'config' | 'clock' | 'rootKeys'>,
  work: (restored: Restored) => Promise<T>,
): Promise<T> =>
  withOwnerSession(
    config,
    () => undefined,
    (session) =>
      inOwnerTransaction(session, async ({ tx }) => {
        const db: Db = tx;
        if (!(await isCurrentSchema(db))) throw otherSchema();
        return await work(await openRestored(tx, { clock, rootKeys: required(rootKeys) }));
      }),
  );

const otherSchema = (): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    'The database has the schema of another version of Keyhold. Start the service once.',
  );

const required = (rootKeys: RootKeys | null): RootKeys => {
  if (rootKeys !== null) return rootKeys;
  throw new KeyholdError('state_conflict', 'There is no root key.');
};

/** Records the restore, and holds back what time would delete until an operator releases it. */
const record = async ({ tx, seals, audit, clock }: Restored, summary: BackupSummary): Promise<void> => {
  const { header, rows, broken } = summary;
  const details = {
    backup_id: header.id,
    created_at: header.created_at,
    rows,
    broken: Object.values(broken).reduce((sum, count) => sum + count, 0),
  };
  await seals.insert(tx, 'restores', {
    id: newId<string>(),
    backup_id: header.id,
    backup_created_at: new Date(header.created_at),
    restored_at: clock.now(),
    released_at: null,
  });
  await audit.allow(tx, operator('restore'), 'backup.restore', { details });
};
