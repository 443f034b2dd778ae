import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { migrateDown, migrationStatus } from '../../db/migrate.ts';
import { withMigrator } from '../../db/open.ts';

const print = (line: string): void => console.log(line);

/** `migrate up|down|status`, beside a running service or without one; it joins a running embedded server. */
export const migrate = async (direction: 'up' | 'down' | 'status'): Promise<void> => {
  const config = readConfig(readEnv());
  await withMigrator(
    config,
    (message) => print(message),
    async ({ db, prepare }) => {
      if (direction === 'up') await prepare();
      if (direction === 'down') await migrateDown(db);
      for (const { name, executedAt } of await migrationStatus(db)) {
        print(`${name}  ${executedAt === null ? 'not applied' : `applied ${executedAt.toISOString()}`}`);
      }
    },
  );
};
