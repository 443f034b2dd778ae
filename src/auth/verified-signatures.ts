import { createHash, type KeyObject } from 'node:crypto';
import { compactVerify, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { canonicalJson } from '../core/json.ts';

/** A key that verifies signatures, and a name that no other key has. */
export interface IdentifiedKey {
  readonly identity: string;
  readonly key: KeyObject | JWK | Uint8Array;
}

const maxRemembered = 10_000;

/**
 * Verifies the signatures of tokens whose form was checked, and remembers the valid ones by the whole token and the key, so
 * that a remembered signature counts under no other key. The caller, in every request, chooses the key among the current
 * ones, pins `algorithm`, and checks the token's times.
 */
export const createVerifiedSignatures = () => {
  const valid = new LRUCache<string, true>({ max: maxRemembered });
  return {
    /** True when the signature is valid. */
    verify: async (token: string, algorithm: string, { identity, key }: IdentifiedKey): Promise<boolean> => {
      const name = `${identity}:${createHash('sha256').update(token).digest('base64url')}`;
      if (valid.get(name)) return true;
      if (!(await isSignatureValid(token, algorithm, key))) return false;
      valid.set(name, true);
      return true;
    },
  };
};

/** Any failure counts as an invalid signature, a key that the library cannot use included: that is an issuer's mistake. */
const isSignatureValid = async (token: string, algorithm: string, key: IdentifiedKey['key']): Promise<boolean> => {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false;
  }
};

/** The SHA-256 thumbprint (RFC 7638) of a key, given exactly the members that the RFC requires of its type. */
export const thumbprint = (requiredMembers: JWK): string =>
  createHash('sha256').update(canonicalJson(requiredMembers)).digest('base64url');
