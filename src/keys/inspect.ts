import type { RootKeys } from '../config/root-keys.ts';
import type { SealKey } from '../crypto/seal.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow, ServiceKeyRow } from '../db/tables/index.ts';
import { type ServiceKeyPurpose, wrapPurpose } from './service-keys.ts';
import { unwrapKey } from './wrapping.ts';

export interface ServiceKeysFound {
  /** Those that a configured root key opens, newest first. */
  readonly sealKeys: readonly SealKey[];
  readonly lookupKeys: readonly SealKey[];
  /** Sentences about keys that are missing, that none opens, and about copies that are not what they say. */
  readonly problems: readonly string[];
}

/** Opens the service's own keys with the configured root keys, as a start does, but changes nothing and goes on. */
export const inspectServiceKeys = async (db: Db, rootKeys: RootKeys): Promise<ServiceKeysFound> =>
  inspectServiceKeyRows(
    await db.selectFrom('service_keys').selectAll().orderBy('created_at', 'desc').execute(),
    rootKeys,
  );

/** As `inspectServiceKeys`, of rows that were read elsewhere, newest first. */
export const inspectServiceKeyRows = (rows: readonly ServiceKeyRow[], rootKeys: RootKeys): ServiceKeysFound => {
  if (rows.length === 0)
    return {
      sealKeys: [],
      lookupKeys: [],
      problems: ['The database holds no seal key: table service_keys is empty.'],
    };
  const seal = inspectPurpose('seal', rows, rootKeys);
  const lookup = inspectPurpose('lookup', rows, rootKeys);
  return { sealKeys: seal.keys, lookupKeys: lookup.keys, problems: [...seal.problems, ...lookup.problems] };
};

/** True when the configured root keys open this owner key. */
export const opensOwnerKey = (rootKeys: RootKeys, row: OwnerKeyRow): boolean => {
  const root = rootKeys.keys.find((one) => one.id === row.root_key_id);
  const of = { purpose: 'owner', rowId: row.id, ownerId: row.owner_id } as const;
  return root !== undefined && unwrapKey(root, of, row.wrapped_key) !== null;
};

interface Inspected {
  readonly keys: readonly SealKey[];
  readonly problems: readonly string[];
}

const absent: Record<ServiceKeyPurpose, string> = {
  seal: 'The database holds no seal key although it holds other keys.',
  lookup:
    'The database holds no lookup key. The service creates it when it first starts. If the service has started before, restore service_keys from a backup.',
};

const inspectPurpose = (purpose: ServiceKeyPurpose, rows: readonly ServiceKeyRow[], rootKeys: RootKeys): Inspected => {
  const stored = rows.filter((row) => row.purpose === purpose);
  if (stored.length === 0) return { keys: [], problems: [absent[purpose]] };
  const ids = [...new Set(stored.map((row) => row.id))];
  const found = ids.map((id) =>
    inspectOne(
      id,
      stored.filter((row) => row.id === id),
      rootKeys,
    ),
  );
  const several = purpose === 'lookup' && ids.length > 1 ? ['The database holds several lookup keys.'] : [];
  return { keys: found.flatMap((one) => one.keys), problems: [...found.flatMap((one) => one.problems), ...several] };
};

const inspectOne = (id: string, rows: readonly ServiceKeyRow[], rootKeys: RootKeys): Inspected => {
  const copies = rows.map((row) => ({ row, key: openCopy(row, rootKeys) }));
  const broken = copies.filter(({ key }) => key === null).map(({ row }) => row.root_key_id);
  const key = copies.flatMap((copy) => (Buffer.isBuffer(copy.key) ? [copy.key] : []))[0];
  const known = rows.map((row) => row.root_key_id).join(', ');
  const name = `${rows[0]?.purpose ?? 'seal'} key ${id}`;
  return {
    keys: key === undefined ? [] : [{ id, key }],
    problems: [
      ...broken.map((root) => `Root key ${root} does not open its copy of the ${name}.`),
      ...(key === undefined ? [`No configured root key opens the ${name}; it needs root key ${known}.`] : []),
    ],
  };
};

const openCopy = (row: ServiceKeyRow, rootKeys: RootKeys): Buffer | 'not-configured' | null => {
  const root = rootKeys.keys.find((one) => one.id === row.root_key_id);
  return root ? unwrapKey(root, wrapPurpose(row.purpose, row.id), row.wrapped_key) : 'not-configured';
};
