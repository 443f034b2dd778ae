import type { SecretId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow } from '../db/tables/index.ts';
import type { OwnerKeys } from '../keys/index.ts';
import { type Check, type Finding, found } from './finding.ts';
import { rowsOf } from './rows.ts';

const sampled = 1000;

interface Kept {
  readonly secretId: SecretId;
  readonly version: number;
  readonly key_id: OwnerKeyRow['id'];
  readonly encrypted_value: string;
}

const remedy = 'Restore the row and its owner key from a backup. The owner can also set the value anew.';

const checkBatch = async (db: Db, ownerKeys: OwnerKeys, batch: readonly Kept[]): Promise<Finding[]> => {
  const keys = await ownerKeys.byId(
    db,
    batch.map((one) => one.key_id),
  );
  return batch.flatMap((one) => {
    const key = keys.get(one.key_id);
    if (key && ownerKeys.decrypt(key, one, one.encrypted_value) !== null) return [];
    const why = key ? '' : `: its owner key ${one.key_id} is missing or broken`;
    return [{ what: `The value of secret ${one.secretId}, version ${one.version}, does not open${why}.`, remedy }];
  });
};

const strideOf = async (db: Db, full: boolean): Promise<number> => {
  if (full) return 1;
  const { count } = await db
    .selectFrom('secrets')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return Math.max(1, Math.ceil(count / sampled));
};

async function* keptVersions(db: Db): AsyncGenerator<readonly Kept[]> {
  for await (const rows of rowsOf(db, 'secret_versions')) {
    yield rows.flatMap(({ secret_id, version, key_id, encrypted_value }) =>
      encrypted_value === null ? [] : [{ secretId: secret_id, version, key_id, encrypted_value }],
    );
  }
}

async function* currentValues(db: Db, stride: number): AsyncGenerator<readonly Kept[]> {
  let place = 0;
  for await (const rows of rowsOf(db, 'secrets')) {
    const chosen = rows.filter((_, index) => (place + index) % stride === 0);
    place += rows.length;
    yield chosen.map(({ id, version, key_id, encrypted_value }) => ({
      secretId: id,
      version,
      key_id,
      encrypted_value,
    }));
  }
}

/** Opens values without showing them: a sample of the current ones, or with `full` every one and every older version. */
export const checkValues = async (db: Db, ownerKeys: OwnerKeys, full: boolean): Promise<Check> => {
  const findings: Finding[] = [];
  let opened = 0;
  const look = async (batches: AsyncGenerator<readonly Kept[]>): Promise<void> => {
    for await (const batch of batches) {
      opened += batch.length;
      findings.push(...(await checkBatch(db, ownerKeys, batch)));
    }
  };
  await look(currentValues(db, await strideOf(db, full)));
  if (full) await look(keptVersions(db));
  return found('values', `${opened} opened${full ? ', old versions included' : ''}`, findings);
};
