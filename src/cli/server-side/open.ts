import { type OperatorApp, withOperatorApp } from '../../app.ts';
import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { rootKeySource } from '../../config/root-keys.ts';
import { type Caller, operator } from '../../core/caller.ts';
import { systemClock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import { withServiceDatabase } from '../../db/attach.ts';
import { isCurrentSchema } from '../../db/migrate.ts';

export const noRootKey = (directory: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `There is no root key in ${directory}. Set KEYHOLD_CONFIG_DIR, KEYHOLD_ROOT_KEY_FILE or KEYHOLD_ROOT_KEYS as for the service.`,
  );

export const wrongSchema = (): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    'The database’s schema is of another version. Use the same version of Keyhold as the service, or run "keyhold migrate up".',
  );

/** Runs `work` as the operator, with the service's configuration, whether a service is running or not. */
export const asOperator = async <T>(
  command: string,
  work: (app: OperatorApp, caller: Caller) => Promise<T>,
): Promise<T> => {
  const env = readEnv();
  const config = readConfig(env);
  const rootKeys = rootKeySource(env, config.configDir);
  if (rootKeys.read() === null) throw noRootKey(config.configDir);
  return await withServiceDatabase(
    config,
    () => undefined,
    async (database) => {
      if (!(await isCurrentSchema(database.db))) throw wrongSchema();
      const deps = { config, rootKeys, clock: systemClock, database };
      return await withOperatorApp(deps, (app) => work(app, operator(command)));
    },
  );
};
