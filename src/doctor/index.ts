import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import type { RootKeys } from '../config/root-keys.ts';
import type { Clock } from '../core/clock.ts';
import type { SealKey } from '../crypto/seal.ts';
import { type Database, type Db, mapDbErrors } from '../db/database.ts';
import { createOwnerKeys, createSeals } from '../keys/index.ts';
import { checkClock, checkDatabase, checkSchema } from './database.ts';
import { checkDisk, checkFiles } from './files.ts';
import { type Check, found } from './finding.ts';
import { checkKeys } from './keys.ts';
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

const noRootKey = ({ config }: DoctorTarget): Check =>
  found('keys', 'no root key', [
    {
      what: `There is no root key in ${config.configDir}.`,
      remedy:
        'Restore root.key from its backup, or set KEYHOLD_CONFIG_DIR, KEYHOLD_ROOT_KEY_FILE or KEYHOLD_ROOT_KEYS as the service has them.',
    },
  ]);

const notLooked = (name: string, because: string): Check =>
  found(name, 'not looked at', [{ what: `Not looked at, since ${because}.`, remedy: 'Mend that first.' }]);

async function* examineRows(db: Db, patient: DoctorTarget, rootKeys: RootKeys, keys: readonly SealKey[]) {
  const [first, ...rest] = keys;
  if (!first) {
    yield notLooked('seals', 'no seal key opens');
    return;
  }
  const seals = createSeals([first, ...rest]);
  yield await mapDbErrors(checkSeals(db, seals));
  const ownerKeys = createOwnerKeys({ clock: patient.clock, rootKeys, seals });
  yield await mapDbErrors(checkValues(db, ownerKeys, patient.full));
}

/** Looks at what lies on this machine: files and room. */
export const examineMachine = ({ env, config }: DoctorTarget): readonly Check[] => [
  checkFiles(env, config),
  ...(config.database.url === null ? [checkDisk(config)] : []),
];

/** Looks at the database and every row in it, one check after the other, and changes nothing. */
export async function* examineDatabase({ db }: Database, patient: DoctorTarget): AsyncGenerator<Check> {
  yield await mapDbErrors(checkDatabase(db));
  yield await mapDbErrors(checkClock(db, patient.clock));
  const schema = await mapDbErrors(checkSchema(db));
  yield schema;
  if (schema.findings.length > 0) {
    yield notLooked('keys', 'the schema is another version’s');
    return;
  }
  if (patient.rootKeys === null) {
    yield noRootKey(patient);
    return;
  }
  const { check, sealKeys } = await mapDbErrors(checkKeys(db, patient.rootKeys));
  yield check;
  yield* examineRows(db, patient, patient.rootKeys, sealKeys);
}
