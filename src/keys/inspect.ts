import type { RootKeys } from '../config/root-keys.ts';
import type { SealKey } from '../crypto/seal.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow, ServiceKeyRow } from '../db/tables/index.ts';
import { unwrapKey } from './wrapping.ts';

export interface ServiceKeysFound {
  /** Those that a configured root key opens, newest first. */
  readonly sealKeys: readonly SealKey[];
  /** Sentences about those that none opens, and about copies that are not what they say. */
  readonly troubles: readonly string[];
}

const openCopy = (row: ServiceKeyRow, rootKeys: RootKeys): Buffer | 'not-configured' | null => {
  const root = rootKeys.keys.find((one) => one.id === row.root_key_id);
  return root ? unwrapKey(root, { purpose: 'seal', rowId: row.id, ownerId: null }, row.wrapped_key) : 'not-configured';
};

const openOne = (id: string, rows: readonly ServiceKeyRow[], rootKeys: RootKeys): ServiceKeysFound => {
  const copies = rows.map((row) => ({ row, key: openCopy(row, rootKeys) }));
  const broken = copies.filter(({ key }) => key === null).map(({ row }) => row.root_key_id);
  const key = copies.flatMap((copy) => (Buffer.isBuffer(copy.key) ? [copy.key] : []))[0];
  const known = rows.map((row) => row.root_key_id).join(', ');
  return {
    sealKeys: key === undefined ? [] : [{ id, key }],
    troubles: [
      ...broken.map((root) => `Root key ${root} does not open its copy of the seal key ${id}.`),
      ...(key === undefined ? [`No configured root key opens the seal key ${id}; it needs root key ${known}.`] : []),
    ],
  };
};

/** Opens the service's own keys with the configured root keys, as a start does, but changes nothing and goes on. */
export const inspectServiceKeys = async (db: Db, rootKeys: RootKeys): Promise<ServiceKeysFound> => {
  const rows = await db
    .selectFrom('service_keys')
    .selectAll()
    .where('purpose', '=', 'seal')
    .orderBy('created_at', 'desc')
    .execute();
  const ids = [...new Set(rows.map((row) => row.id))];
  const found = ids.map((id) =>
    openOne(
      id,
      rows.filter((row) => row.id === id),
      rootKeys,
    ),
  );
  const none = ids.length === 0 ? ['The database holds no seal key: table service_keys is empty.'] : [];
  return {
    sealKeys: found.flatMap((one) => one.sealKeys),
    troubles: [...none, ...found.flatMap((one) => one.troubles)],
  };
};

/** True when the configured root keys open this owner key. */
export const opensOwnerKey = (rootKeys: RootKeys, row: OwnerKeyRow): boolean => {
  const root = rootKeys.keys.find((one) => one.id === row.root_key_id);
  const of = { purpose: 'owner', rowId: row.id, ownerId: row.owner_id } as const;
  return root !== undefined && unwrapKey(root, of, row.wrapped_key) !== null;
};
