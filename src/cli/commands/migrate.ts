import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { type MigrationStatus, migrateDown, migrationStatus } from '../../db/migrate.ts';
import { withMigrator } from '../../db/open.ts';
import type { CliContext } from '../context.ts';

const lineOf = ({ name, executedAt }: MigrationStatus): string =>
  `${name}  ${executedAt === null ? 'not applied' : `applied ${executedAt.toISOString()}`}\n`;

/** `migrate up|down|status`, beside a running service or without one; it joins a running embedded server. */
export const migrate = async (context: CliContext, direction: 'up' | 'down' | 'status'): Promise<void> => {
  const statuses = await withMigrator(readConfig(readEnv()), context.out.note, async ({ db, prepare }) => {
    if (direction === 'up') await prepare();
    if (direction === 'down') await migrateDown(db);
    if (direction !== 'status') context.noteChange();
    return await migrationStatus(db);
  });
  await context.out.result(
    statuses.map(({ name, executedAt }) => ({ name, applied_at: executedAt })),
    () => statuses.map(lineOf).join(''),
  );
};
