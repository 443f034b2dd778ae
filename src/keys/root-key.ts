import { randomBytes } from 'node:crypto';
import type { ConfiguredRootKey } from '../config/root-keys.ts';
import { backupKey, backupMacKey, jwtSeed, refreshKey, type WrapPurpose, wrappingKey } from '../crypto/derive.ts';
import { decryptFernet, encryptFernet } from '../crypto/fernet-token.ts';

const derivations = { jwt: jwtSeed, refresh: refreshKey, backup: backupKey, 'backup MAC': backupMacKey } as const;

/** What else a root key derives, besides wrapping keys. */
export type Derivation = keyof typeof derivations;

/**
 * A root key as the service works with it. It encrypts nothing itself but derives keys, each for one purpose. Its bytes may be
 * in memory or in a key-management service, so that every method is asynchronous and may fail with `unavailable`.
 */
export interface RootKey {
  readonly id: string;
  /** Wraps a 32-byte key for one row alone. */
  wrap(of: WrapPurpose, key: Buffer, now: Date): Promise<string>;
  /** The wrapped key, or null when the text is not this row's under this root key. */
  unwrap(of: WrapPurpose, wrapped: string): Promise<Buffer | null>;
  /** 32 bytes, always the same for one purpose. */
  derive(purpose: Derivation): Promise<Buffer>;
}

/** A root key whose bytes are in memory, as read from a file or the environment. */
export const rootKeyInMemory = ({ id, key }: ConfiguredRootKey): RootKey => ({
  id,
  wrap: async (of, plaintext, now) =>
    encryptFernet({ key: wrappingKey(key.expose(), of), plaintext, now, iv: randomBytes(16) }),
  unwrap: async (of, token) => {
    try {
      return decryptFernet({ key: wrappingKey(key.expose(), of), token });
    } catch {
      return null;
    }
  },
  derive: async (purpose) => derivations[purpose](key.expose()),
});
