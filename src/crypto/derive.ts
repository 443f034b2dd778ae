import { hkdfSync } from 'node:crypto';
import { uuidBytes } from '../core/ids.ts';

/** Each part preceded by its length (uint32, big endian), so that no two lists of parts give the same bytes. */
export const lengthPrefixed = (parts: readonly Uint8Array[]): Buffer => {
  const total = parts.reduce((sum, part) => sum + 4 + part.length, 0);
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const part of parts) {
    at = out.writeUInt32BE(part.length, at);
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** 32 bytes by HKDF-SHA256 (RFC 5869): empty salt, info = the length-prefixed label and parts. */
const derive = (key: Uint8Array, label: string, parts: readonly Uint8Array[]): Buffer =>
  Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), lengthPrefixed([Buffer.from(label), ...parts]), 32));

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

export interface WrapPurpose {
  /** What the wrapped key is for: `owner`, `seal`, … */
  readonly purpose: string;
  readonly rowId: string;
  /** The user whom the key belongs to; null for the service's own keys. */
  readonly ownerId: string | null;
}

/** The key under which one row's key is wrapped. A root key encrypts nothing itself. */
export const wrappingKey = (rootKey: Uint8Array, of: WrapPurpose): Buffer =>
  derive(rootKey, 'keyhold/wrap/v1', [
    Buffer.from(of.purpose),
    uuidBytes(of.rowId),
    of.ownerId === null ? Buffer.alloc(0) : uuidBytes(of.ownerId),
  ]);

/** The Fernet key of one version of one secret. Never stored. `version` is a uint32. */
export const secretKey = (ownerKey: Uint8Array, ownerKeyId: string, secretId: string, version: number): Buffer =>
  derive(ownerKey, 'keyhold/secret/v1', [uuidBytes(ownerKeyId), uuidBytes(secretId), uint32(version)]);

/** The Ed25519 seed of the key that signs access tokens: no key row exists to be stolen or planted. */
export const jwtSeed = (rootKey: Uint8Array): Buffer => derive(rootKey, 'keyhold/jwt/v1', []);

/** The MAC key of refresh tokens. */
export const refreshKey = (rootKey: Uint8Array): Buffer => derive(rootKey, 'keyhold/refresh/v1', []);

/** The MAC key of what is stored as a digest only: bodies of idempotent requests, names of failed logins. */
export const digestKey = (lookupKey: Uint8Array): Buffer => derive(lookupKey, 'keyhold/digest/v1', []);

/** The MAC key under which closed identities are recorded. */
export const closedIdentityKey = (lookupKey: Uint8Array): Buffer => derive(lookupKey, 'keyhold/closed-identity/v1', []);

/** The key under which a user's positions among events are shown. `epoch` is the id of the latest restore, or the nil UUID. */
export const eventIdKey = (lookupKey: Uint8Array, epoch: string, userId: string): Buffer =>
  derive(lookupKey, 'keyhold/events/v1', [uuidBytes(epoch), uuidBytes(userId)]);
/** The Fernet key under which the signing keys of one webhook are stored. */
export const webhookSecretKey = (lookupKey: Uint8Array, webhookId: string): Buffer =>
  derive(lookupKey, 'keyhold/webhook-secret/v1', [uuidBytes(webhookId)]);

/** The X25519 private key to which backups are encrypted. */
export const backupKey = (rootKey: Uint8Array): Buffer => derive(rootKey, 'keyhold/backup/v1', []);

/** The MAC key that proves that a backup was made with the root key, whomever it is encrypted to. */
export const backupMacKey = (rootKey: Uint8Array): Buffer => derive(rootKey, 'keyhold/backup-mac/v1', []);

/** The MAC key that proves that an export of the audit log is complete. */
export const exportMacKey = (sealKey: Uint8Array): Buffer => derive(sealKey, 'keyhold/audit-export/v1', []);
