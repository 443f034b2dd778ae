import type { ConfiguredRootKey } from '../config/root-keys.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow, ServiceKeyRow } from '../db/tables/index.ts';
import { opensOwnerKey as opens } from './owner-keys.ts';
import { sealKeysOf } from './prove.ts';
import { type RootKey, rootKeyInMemory } from './root-key.ts';
import type { SealKeys } from './seal-keys.ts';
import { copiesOf, hasTimes, type ServiceKey, type ServiceKeyPurpose, wrapPurpose } from './service-keys.ts';

export interface ServiceKeysFound {
  /** Those that a configured root key opens; null when none of them seals. */
  readonly sealKeys: SealKeys | null;
  /** How many of them are retired: kept for the audit records that they sealed. */
  readonly retired: number;
  readonly lookupKeys: readonly ServiceKey[];
  /** Sentences about keys that are missing, that none opens, and about copies that are not what they say. */
  readonly problems: readonly string[];
}

/** Opens the service's own keys with the configured root keys, as a start does, but changes nothing and goes on. */
export const inspectServiceKeys = async (db: Db, configured: readonly ConfiguredRootKey[]): Promise<ServiceKeysFound> =>
  await inspectServiceKeyRows(await db.selectFrom('service_keys').selectAll().execute(), configured);

/** As `inspectServiceKeys`, of rows that were read elsewhere. */
export const inspectServiceKeyRows = async (
  rows: readonly ServiceKeyRow[],
  configured: readonly ConfiguredRootKey[],
): Promise<ServiceKeysFound> => {
  const rootKeys = configured.map(rootKeyInMemory);
  const none = { sealKeys: null, retired: 0, lookupKeys: [] };
  if (rows.length === 0) return { ...none, problems: ['The database holds no seal key: table service_keys is empty.'] };
  const seal = await inspectPurpose('seal', rows, rootKeys);
  const lookup = await inspectPurpose('lookup', rows, rootKeys);
  const isUsable = seal.keys.some(({ state }) => state === 'active');
  return {
    sealKeys: isUsable ? sealKeysOf(seal.keys) : null,
    retired: seal.keys.filter(({ state }) => state === 'retired').length,
    lookupKeys: lookup.keys,
    problems: [...seal.problems, ...lookup.problems],
  };
};

/** True when the configured root keys open this owner key. */
export const opensOwnerKey = (configured: readonly ConfiguredRootKey[], row: OwnerKeyRow): Promise<boolean> =>
  opens(configured.map(rootKeyInMemory), row);

interface Inspected {
  readonly keys: readonly ServiceKey[];
  readonly problems: readonly string[];
}

const absent: Record<ServiceKeyPurpose, string> = {
  seal: 'The database holds no seal key although it holds other keys.',
  lookup:
    'The database holds no lookup key. The service creates it when it first starts. If the service has started before, restore service_keys from a backup.',
};

const inspectPurpose = async (
  purpose: ServiceKeyPurpose,
  rows: readonly ServiceKeyRow[],
  rootKeys: readonly RootKey[],
): Promise<Inspected> => {
  const keys = copiesOf(rows.filter((row) => row.purpose === purpose));
  if (keys.length === 0) return { keys: [], problems: [absent[purpose]] };
  const found = await Promise.all(keys.map((copies) => inspectOne(copies, rootKeys)));
  const several = purpose === 'lookup' && keys.length > 1 ? ['The database holds several lookup keys.'] : [];
  return { keys: found.flatMap((one) => one.keys), problems: [...found.flatMap((one) => one.problems), ...several] };
};

const inspectOne = async (rows: readonly ServiceKeyRow[], rootKeys: readonly RootKey[]): Promise<Inspected> => {
  const copies = await Promise.all(rows.map(async (row) => ({ row, key: await openCopy(row, rootKeys) })));
  const broken = copies.filter(({ key }) => key === null).map(({ row }) => row.root_key_id);
  const key = copies.flatMap((copy) => (Buffer.isBuffer(copy.key) ? [{ ...copy.row, key: copy.key }] : []))[0];
  const known = rows.map((row) => row.root_key_id).join(', ');
  const name = `${rows[0]?.purpose ?? 'seal'} key ${rows[0]?.id ?? ''}`;
  return {
    keys: key === undefined ? [] : [key],
    problems: [
      ...broken.map((root) => `Root key ${root} does not open its copy of the ${name}.`),
      ...(key === undefined ? [`No configured root key opens the ${name}; it needs root key ${known}.`] : []),
    ],
  };
};

const openCopy = async (
  row: ServiceKeyRow,
  rootKeys: readonly RootKey[],
): Promise<Buffer | 'not-configured' | null> => {
  const root = rootKeys.find((one) => one.id === row.root_key_id);
  if (!hasTimes(row)) return null;
  return root ? await root.unwrap(wrapPurpose(row), row.wrapped_key) : 'not-configured';
};
