import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { findRootKeys } from '../../config/root-keys.ts';
import type { Db } from '../../db/database.ts';
import {
  type MigrationStatus,
  migrateDown,
  migrationStatus,
  type SealInOlderFormat,
  whatIsStored,
} from '../../db/migrate.ts';
import { type Migrator, withMigrator } from '../../db/open.ts';
import { inspectServiceKeys, sealInOlderFormat } from '../../keys/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';

export interface MigrateOptions {
  readonly yes?: boolean;
}

const lineOf = ({ name, executedAt }: MigrationStatus): string =>
  `${name}  ${executedAt === null ? 'not applied' : `applied ${executedAt.toISOString()}`}\n`;

const inUse = (): CliFailure =>
  new CliFailure(exitCodes.conflict, 'A Keyhold works with this database. Stop it first; nothing was taken back.');

const otherwise = 'Add --yes to take it back without a question.';

/** Erases more than any other command does, so that it asks, and not while somebody works with it. */
const down = async (context: CliContext, { db }: Migrator, { yes = false }: MigrateOptions): Promise<void> => {
  if (!yes && !context.input.canAsk) throw usage(`Nobody can be asked here. ${otherwise}`);
  const stored = await whatIsStored(db);
  if (stored?.inUse) throw inUse();
  const newest = (await migrationStatus(db)).findLast(({ executedAt }) => executedAt !== null);
  const lost = stored === null ? '' : ` There are ${stored.secrets} secrets of ${stored.users} users.`;
  const question = `Take ${newest?.name ?? 'nothing'} back, with all data of what it made?${lost}`;
  if (!yes && !(await context.input.confirm(question, otherwise))) {
    throw new CliFailure(exitCodes.interrupted, 'Nothing was taken back.');
  }
  await migrateDown(db, resealWithRootKeys);
};

const noRootKey = (): CliFailure =>
  new CliFailure(
    exitCodes.conflict,
    'Taking this migration back needs the root keys: it seals rows anew for the older version. Set KEYHOLD_CONFIG_DIR, KEYHOLD_ROOT_KEY_FILE or KEYHOLD_ROOT_KEYS as the service has them. Nothing was changed.',
  );

/** Seals rows for the version before with the seal keys that the configured root keys open. */
const resealWithRootKeys: SealInOlderFormat = async (db, formats) => {
  const env = readEnv();
  const rootKeys = findRootKeys(env, readConfig(env).configDir);
  if (rootKeys === null) throw noRootKey();
  const [first, ...rest] = (await inspectServiceKeys(db as unknown as Db, rootKeys)).sealKeys;
  if (!first) throw noRootKey();
  await sealInOlderFormat(db, [first, ...rest], formats);
};

/** `migrate up|down|status`, beside a running service or without one; it joins a running embedded server. */
export const migrate = async (
  context: CliContext,
  direction: 'up' | 'down' | 'status',
  options: MigrateOptions = {},
): Promise<void> => {
  const statuses = await withMigrator(readConfig(readEnv()), context.out.note, async (migrating) => {
    if (direction === 'up') await migrating.prepare();
    if (direction === 'down') await down(context, migrating, options);
    if (direction !== 'status') context.noteChange();
    return await migrationStatus(migrating.db);
  });
  await context.out.result(
    statuses.map(({ name, executedAt }) => ({ name, applied_at: executedAt })),
    () => statuses.map(lineOf).join(''),
  );
};
