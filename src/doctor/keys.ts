import type { RootKeys } from '../config/root-keys.ts';
import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { OwnerKeyRow } from '../db/tables/index.ts';
import { inspectServiceKeys, opensOwnerKey, type SealKeys } from '../keys/index.ts';
import { type Check, found, listed } from './finding.ts';
import { readRows } from './rows.ts';

const restore =
  'Restore the right root key from its backup (docs/operations.md, "The root key"), or the row from the database’s.';

const flawed = 'The service does not start with these keys. Correct the file or the variable.';

/** The seal keys that the configured root keys open, and what is wrong with the others. */
export const checkServiceKeys = async (
  db: Db,
  rootKeys: RootKeys,
): Promise<{ readonly check: Check; readonly sealKeys: SealKeys | null }> => {
  const { sealKeys, retired, problems } = await inspectServiceKeys(db, rootKeys.keys);
  const roots = rootKeys.keys.map((key) => key.id).join(', ');
  const seen = `root key ${roots} (${rootKeys.source}), ${sealKeys?.verifying.length ?? 0} seal keys${retired === 0 ? '' : `, ${retired} retired`}`;
  return { check: found('keys', seen, [...listed(rootKeys.flaws, flawed), ...listed(problems, restore)]), sealKeys };
};

/** Whether the configured root keys open every owner key. */
export const checkOwnerKeys = async (db: Db, rootKeys: RootKeys): Promise<Check> => {
  const notOpened: string[] = [];
  let count = 0;
  await readRows(db, 'owner_keys', async (rows) => {
    count += rows.length;
    for (const { name, row } of rows) {
      if (row !== null && (row['state'] === 'destroyed' || (await opensSafely(rootKeys, row)))) continue;
      const details = row === null ? '' : ` (of user ${row['owner_id']}, wrapped by root key ${row['root_key_id']})`;
      notOpened.push(`${name}${details} is not opened by any configured root key.`);
    }
  });
  return found('owner keys', `${count} owner keys`, listed(notOpened, restore));
};

const opensSafely = async (rootKeys: RootKeys, row: RawRow): Promise<boolean> => {
  try {
    return await opensOwnerKey(rootKeys.keys, row as unknown as OwnerKeyRow);
  } catch {
    return false;
  }
};
