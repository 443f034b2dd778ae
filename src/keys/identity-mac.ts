import { createHmac } from 'node:crypto';
import { closedIdentityKey, lengthPrefixed } from '../crypto/derive.ts';

/**
 * The MAC of an identity, 32 bytes: it tells whether an identity was registered, without keeping it in the clear. The kind comes
 * first, and each part has its length, so that no two lists of parts have the same MAC.
 */
export type IdentityMac = (kind: string, ...parts: readonly string[]) => Buffer;

/** Makes MACs under the lookup key, which outlives every seal key. */
export const createIdentityMac = (lookupKey: Uint8Array): IdentityMac => {
  const key = closedIdentityKey(lookupKey);
  return (kind, ...parts) =>
    createHmac('sha256', key)
      .update(lengthPrefixed([kind, ...parts].map((part) => Buffer.from(part))))
      .digest();
};
