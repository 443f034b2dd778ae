import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { rootKeySource } from '../../config/root-keys.ts';
import type { Db } from '../../db/database.ts';
import {
  type MigrationStatus,
  migrateDown,
  migrationStatus,
  type SealInOlderFormat,
  whatIsStored,
} from '../../db/migrate.ts';
import { type Migrator, withMigrator } from '../../db/open.ts';
import { inspectServiceKeys, type ReadSealKeys, sealInOlderFormat } from '../../keys/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';

export interface MigrateOptions {
  readonly yes?: boolean;
}

const lineOf = ({ name, executedAt }: MigrationStatus): string =>
  `${name}  ${executedAt === null ? 'not applied' : `applied ${executedAt.toISOString()}`}\n`;

const inUse = (): CliFailure =>
  new CliFailure(exitCodes.conflict, 'A Keyhold service is using this database. Stop it first. Nothing was reverted.');

/** It erases more than any other command, so it asks first, and refuses while a service uses the database. */
const down = async (context: CliContext, { db }: Migrator, { yes = false }: MigrateOptions): Promise<void> => {
  if (!yes && !context.input.canPrompt) throw usage(cannotPrompt);
  const stored = await whatIsStored(db);
  if (stored?.inUse) throw inUse();
  const newest = (await migrationStatus(db)).findLast(({ executedAt }) => executedAt !== null);
  const lost = stored === null ? '' : ` The database holds ${stored.secrets} secrets of ${stored.users} users.`;
  const question = `Revert ${newest?.name ?? 'nothing'} and delete the tables and columns that it added?${lost}`;
  if (!yes && !(await context.input.confirm(question))) {
    throw new CliFailure(exitCodes.interrupted, 'Nothing was reverted.');
  }
  await migrateDown(db, resealWithRootKeys);
};

const noRootKey = (): CliFailure =>
  new CliFailure(
    exitCodes.conflict,
    'Reverting this migration needs the root keys, because it seals rows again for the older version. Set KEYHOLD_CONFIG_DIR, KEYHOLD_ROOT_KEY_FILE or KEYHOLD_ROOT_KEYS as for the service. Nothing was changed.',
  );

/** Seals rows for the previous version with the seal keys that the configured root keys unwrap. */
const resealWithRootKeys: SealInOlderFormat = async (db, formats) => {
  const readKeys: ReadSealKeys = async () => {
    const env = readEnv();
    const rootKeys = rootKeySource(env, readConfig(env).configDir).read();
    if (rootKeys === null) throw noRootKey();
    const { sealKeys } = await inspectServiceKeys(db as unknown as Db, rootKeys.keys);
    if (!sealKeys) throw noRootKey();
    return sealKeys;
  };
  await sealInOlderFormat(db, readKeys, formats);
};

/** `migrate up|down|status`, with or without a running service; it joins a running embedded server. */
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
