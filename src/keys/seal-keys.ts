import type { SealKey } from '../crypto/seal.ts';
import type { SealedTableName } from '../db/tables/index.ts';

/** The seal keys as a service uses them. */
export interface SealKeys {
  /** The one that seals. */
  readonly sealing: SealKey;
  /** Those that verify every table, the sealing one among them. */
  readonly verifying: readonly SealKey[];
  /** Those that verify audit records only, which are append-only and never sealed anew. */
  readonly retired: readonly SealKey[];
}

/** Reads the seal keys that count now. Throws `unavailable` while this service may not use them. */
export type CurrentSealKeys = () => SealKeys;

const withRetired = new WeakMap<SealKeys, readonly SealKey[]>();

/** The keys that verify a table's rows. */
export const verifyingKeys = (keys: SealKeys, table: SealedTableName): readonly SealKey[] => {
  if (table !== 'audit_log' || keys.retired.length === 0) return keys.verifying;
  const all = withRetired.get(keys) ?? [...keys.verifying, ...keys.retired];
  withRetired.set(keys, all);
  return all;
};
