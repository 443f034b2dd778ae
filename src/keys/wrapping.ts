import { randomBytes } from 'node:crypto';
import type { RootKey } from '../config/root-keys.ts';
import { type WrapPurpose, wrappingKey } from '../crypto/derive.ts';
import { decryptFernet, encryptFernet } from '../crypto/fernet-token.ts';

/** A 32-byte key as a Fernet token under the key that the root key derives for this row alone. */
export const wrapKey = (root: RootKey, of: WrapPurpose, key: Buffer, now: Date): string =>
  encryptFernet({ key: wrappingKey(root.key.expose(), of), plaintext: key, now, iv: randomBytes(16) });

/** The wrapped key, or null when the token is not this row's under this root key. */
export const unwrapKey = (root: RootKey, of: WrapPurpose, wrapped: string): Buffer | null => {
  try {
    return decryptFernet({ key: wrappingKey(root.key.expose(), of), token: wrapped });
  } catch {
    return null;
  }
};
