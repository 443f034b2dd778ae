import type { RootKeys } from '../config/root-keys.ts';
import type { SealKey } from '../crypto/seal.ts';
import type { Db } from '../db/database.ts';
import { inspectServiceKeys, opensOwnerKey } from '../keys/index.ts';
import { type Check, type Finding, found } from './finding.ts';
import { nameOf, rowsOf } from './rows.ts';

const restore =
  'Restore the right root key from its backup (docs/operations.md, "Root keys"), or the row from the database’s.';

const checkOwnerKeys = async (db: Db, rootKeys: RootKeys): Promise<{ count: number; findings: Finding[] }> => {
  const findings: Finding[] = [];
  let count = 0;
  for await (const rows of rowsOf(db, 'owner_keys')) {
    count += rows.length;
    for (const row of rows.filter((one) => !opensOwnerKey(rootKeys, one))) {
      const what = `${nameOf('owner_keys', row)} (of user ${row.owner_id}) is not opened by root key ${row.root_key_id}.`;
      findings.push({ what, remedy: restore });
    }
  }
  return { count, findings };
};

/** Whether the configured root keys open every wrapped key; and the seal keys, for looking at rows. */
export const checkKeys = async (
  db: Db,
  rootKeys: RootKeys,
): Promise<{ readonly check: Check; readonly sealKeys: readonly SealKey[] }> => {
  const { sealKeys, troubles } = await inspectServiceKeys(db, rootKeys);
  const { count, findings } = await checkOwnerKeys(db, rootKeys);
  const roots = rootKeys.keys.map((key) => key.id).join(', ');
  const seen = `root key ${roots} (${rootKeys.source}), ${sealKeys.length} seal keys, ${count} owner keys`;
  return {
    check: found('keys', seen, [...troubles.map((what) => ({ what, remedy: restore })), ...findings]),
    sealKeys,
  };
};
