import { createHash, type KeyObject } from 'node:crypto';
import { compactVerify, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { canonicalJson } from '../core/json.ts';

/** A key that verifies, and the name that no other key bears. */
export interface IdentifiedKey {
  readonly identity: string;
  readonly key: KeyObject | JWK | Uint8Array;
}

const remembered = 10_000;

/**
 * Verifies signatures of tokens whose form was checked and remembers those that held, by the whole token and the
 * key: a remembered signature says nothing of another key. The caller chooses the key among those current now,
 * pins `algorithm`, and checks times, in every request.
 */
export const createVerifiedSignatures = () => {
  const held = new LRUCache<string, true>({ max: remembered });
  return {
    holds: async (token: string, algorithm: string, { identity, key }: IdentifiedKey): Promise<boolean> => {
      const name = `${identity}:${createHash('sha256').update(token).digest('base64url')}`;
      if (held.get(name)) return true;
      if (!(await signatureHolds(token, algorithm, key))) return false;
      held.set(name, true);
      return true;
    },
  };
};

/** Every failure is one refusal: a key that the library cannot use is an issuer's mistake and proves nobody. */
const signatureHolds = async (token: string, algorithm: string, key: IdentifiedKey['key']): Promise<boolean> => {
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
