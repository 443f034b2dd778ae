import { sql } from 'kysely';
import type { SecretId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow, SecretRow, SecretVersionRow } from '../db/tables/index.ts';
import type { OpenOwnerKey, OwnerKeys } from '../keys/index.ts';
import { type Check, found, listed, reasonOf } from './finding.ts';
import { readRows } from './rows.ts';

const sampleSize = 1000;

/** An encrypted value and what it is bound to; from the database, so that any of it may be of another type. */
interface StoredValue {
  readonly secretId: SecretId;
  readonly version: number;
  readonly keyId: OwnerKeyRow['id'];
  readonly token: string;
}

type OpenValues = (values: readonly StoredValue[]) => Promise<void>;

const remedy = 'Restore the row and its owner key from a backup. The owner can also set the value again.';

/** Opens values without showing them: about 1000 of the current ones, or with `full` each one and every older version. */
export const checkValues = async (db: Db, ownerKeys: OwnerKeys, full: boolean): Promise<Check> => {
  const broken: string[] = [];
  let opened = 0;
  const open: OpenValues = async (values) => {
    opened += values.length;
    broken.push(...(await brokenAmong(db, ownerKeys, values)));
  };
  broken.push(...(await unreadable('secrets', async () => readCurrent(db, full ? 1 : await strideOf(db), open))));
  if (full) broken.push(...(await unreadable('secret_versions', () => readOlder(db, open))));
  const findings = listed([...new Set(broken)], remedy);
  return found('values', `${opened} opened${full ? ', old versions included' : ''}`, findings);
};

const unreadable = async (table: string, read: () => Promise<void>): Promise<readonly string[]> => {
  try {
    await read();
    return [];
  } catch (error) {
    return [`The values in ${table} cannot be read: ${reasonOf(error)}`];
  }
};

const strideOf = async (db: Db): Promise<number> => {
  const { rows } = await sql<{ count: number }>`select pg_catalog.count(*) as count from public.secrets`.execute(db);
  return Math.max(1, Math.ceil((rows[0]?.count ?? 0) / sampleSize));
};

const readCurrent = (db: Db, stride: number, open: OpenValues): Promise<void> => {
  let position = 0;
  return readRows(db, 'secrets', async (rows) => {
    const sample = rows.filter((_, index) => (position + index) % stride === 0);
    position += rows.length;
    await open(sample.flatMap(({ row }) => currentValue(row as unknown as SecretRow | null)));
  });
};

const currentValue = (row: SecretRow | null): readonly StoredValue[] =>
  row === null ? [] : [{ secretId: row.id, version: row.version, keyId: row.key_id, token: row.encrypted_value }];

const readOlder = (db: Db, open: OpenValues): Promise<void> =>
  readRows(db, 'secret_versions', (rows) =>
    open(rows.flatMap(({ row }) => olderValue(row as unknown as SecretVersionRow | null))),
  );

const olderValue = (row: SecretVersionRow | null): readonly StoredValue[] =>
  row === null || row.encrypted_value === null
    ? []
    : [{ secretId: row.secret_id, version: row.version, keyId: row.key_id, token: row.encrypted_value }];

const brokenAmong = async (
  db: Db,
  ownerKeys: OwnerKeys,
  values: readonly StoredValue[],
): Promise<readonly string[]> => {
  try {
    const keyIds = values.map(({ keyId }) => keyId);
    const keys = await ownerKeys.byId(db, keyIds);
    const destroyed = await destroyedAmong(db, keyIds);
    const kept = values.filter(({ keyId }) => !destroyed.has(keyId));
    return kept.flatMap((value) => complaintAbout(value, keys.get(value.keyId)));
  } catch (error) {
    return [`Some owner keys cannot be read, so their values were not opened: ${reasonOf(error)}`];
  }
};

/** Keys of erased users, whose secrets are being purged. Whether their rows are intact is checked with all seals. */
const destroyedAmong = async (db: Db, ids: readonly OwnerKeyRow['id'][]): Promise<ReadonlySet<unknown>> => {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom('owner_keys')
    .select('id')
    .where('id', 'in', [...new Set(ids)])
    .where('state', '=', 'destroyed')
    .execute();
  return new Set(rows.map(({ id }) => id));
};

const complaintAbout = (value: StoredValue, key: OpenOwnerKey | undefined): string[] => {
  if (key !== undefined && opens(value, key)) return [];
  const why = key === undefined ? `: its owner key ${value.keyId} is missing or broken` : '';
  return [`The value of secret ${value.secretId}, version ${value.version}, does not open${why}.`];
};

const opens = (value: StoredValue, key: OpenOwnerKey): boolean => {
  try {
    return key.decrypt(value, value.token) !== null;
  } catch {
    return false;
  }
};
