import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import type { RootKeys } from '../config/root-keys.ts';
import type { Clock } from '../core/clock.ts';
import type { Database, Db } from '../db/database.ts';
import { createOwnerKeys, createSeals, rootKeyInMemory, type SealKeys } from '../keys/index.ts';
import { checkClock, checkDatabase, checkJobs, checkMigrations, checkSchema } from './database.ts';
import { checkDisk, checkFiles } from './files.ts';
import { type Check, completed, found } from './finding.ts';
import { checkOwnerKeys, checkServiceKeys } from './keys.ts';
import { checkRestores } from './restores.ts';
import { checkSeals } from './seals.ts';
import { checkValues } from './values.ts';

export type { Check } from './finding.ts';

export interface DoctorTarget {
  readonly env: Env;
  readonly config: Config;
  /** Null where the file of the root key is missing. */
  readonly rootKeys: RootKeys | null;
  readonly clock: Clock;
  /** Open every value and every old version, instead of a sample. */
  readonly full: boolean;
}

/** Checks this machine: files and free space. */
export const examineMachine = ({ env, config }: DoctorTarget): readonly Check[] => [
  checkFiles(env, config),
  ...(config.database.url === null ? [checkDisk(config)] : []),
];

/**
 * Checks the database and every row in it, one check after the other, and changes nothing. Never throws for what it
 * finds there: a check that fails says why, and the next one runs.
 */
export async function* examineDatabase({ db }: Database, target: DoctorTarget): AsyncGenerator<Check> {
  yield await completed('database', () => checkDatabase(db));
  yield await completed('clock', () => checkClock(db, target.clock));
  const migrations = await completed('migrations', () => checkMigrations(db));
  yield migrations;
  const schema = await completed('schema', () => checkSchema(db));
  yield schema;
  yield await completed('jobs', () => checkJobs(db));
  if (target.rootKeys === null) yield noRootKey(target);
  else if (isWrong(migrations) && isWrong(schema))
    yield notChecked('keys', 'the schema is not the one of this version');
  else yield* examineRows(db, target, target.rootKeys);
}

const isWrong = ({ findings }: Check): boolean => findings.length > 0;

async function* examineRows(db: Db, target: DoctorTarget, rootKeys: RootKeys): AsyncGenerator<Check> {
  let sealKeys = null as SealKeys | null;
  yield await completed('keys', async () => {
    const result = await checkServiceKeys(db, rootKeys);
    ({ sealKeys } = result);
    return result.check;
  });
  yield await completed('owner keys', () => checkOwnerKeys(db, rootKeys));
  const known: SealKeys | null = sealKeys;
  const [primary, ...others] = rootKeys.keys.map(rootKeyInMemory);
  if (known === null || !primary) {
    yield notChecked('seals', 'no seal key opens');
    return;
  }
  const seals = createSeals(() => known);
  yield await completed('seals', () => checkSeals(db, seals.isIntact, known.sealing.id));
  yield await completed('restores', () => checkRestores(db, seals.isIntact));
  const ownerKeys = createOwnerKeys({ clock: target.clock, rootKeys: () => [primary, ...others], seals });
  yield await completed('values', () => checkValues(db, ownerKeys, target.full));
}

const noRootKey = ({ config }: DoctorTarget): Check =>
  found('keys', 'no root key', [
    {
      what: `There is no root key in ${config.configDir}.`,
      remedy:
        'Restore root.key from its backup, or set KEYHOLD_CONFIG_DIR, KEYHOLD_ROOT_KEY_FILE or KEYHOLD_ROOT_KEYS as the service has them.',
    },
  ]);

const notChecked = (name: string, reason: string): Check =>
  found(name, 'not checked', [{ what: `This was not checked, since ${reason}.`, remedy: 'Correct that first.' }]);
