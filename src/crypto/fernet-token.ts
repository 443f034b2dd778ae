import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

/*
 * The Fernet token, https://github.com/fernet/spec/blob/master/Spec.md:
 *   version 0x80 (1) ‖ timestamp (8) ‖ IV (16) ‖ ciphertext (16 × n, n ≥ 1) ‖ HMAC (32), as padded base64url.
 * The key's first 16 bytes sign, its last 16 encrypt.
 */
const version = 0x80;
const keyBytes = 32;
const blockBytes = 16;
const timestampAt = 1;
const ivAt = 9;
const ciphertextAt = 25;
const macBytes = 32;
const shortestToken = ciphertextAt + blockBytes + macBytes;
const maxClockSkewSeconds = 60;

/** The one error for every token that is refused. It says nothing about the cause, the token or the key. */
export class InvalidToken extends Error {
  static {
    InvalidToken.prototype.name = 'InvalidToken';
  }

  constructor() {
    super('The token is not valid.');
  }
}

/** What `encryptFernet` needs. `key` is 32 bytes; `iv` is 16 bytes, unpredictable and never used twice. */
interface FernetEncryption {
  readonly key: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly now: Date;
  readonly iv: Uint8Array;
}

/** What `decryptFernet` needs. `key` is 32 bytes; the token's age is checked only when `ttlSeconds` is given. */
interface FernetDecryption {
  readonly key: Uint8Array;
  readonly token: string;
  readonly now?: Date | undefined;
  readonly ttlSeconds?: number | undefined;
}

/** What `rotateFernet` needs: the 32 bytes of the key that opens the token and of the one that follows it. */
interface FernetRotation {
  readonly key: Uint8Array;
  readonly newKey: Uint8Array;
  readonly token: string;
  readonly iv: Uint8Array;
}

/**
 * Makes the Fernet token (version 0x80) of `plaintext`, stamped with `now` in whole seconds. The caller gives a
 * fresh random IV each time. Throws RangeError for a key, an IV or a time that has no place in a token.
 */
export const encryptFernet = ({ key, plaintext, now, iv }: FernetEncryption): string =>
  assemble(key, plaintext, timestampBytes(now), iv);

/**
 * The plaintext of a Fernet token made with `key`. With `ttlSeconds` the token must also be no older than that
 * at `now` and no more than 60 s ahead of it; without it, the age is not checked (as in Python's cryptography).
 * Throws InvalidToken whatever is wrong with the token, and RangeError for a key that is not 32 bytes or a
 * `ttlSeconds` without `now`.
 */
export const decryptFernet = ({ key, token, now, ttlSeconds }: FernetDecryption): Buffer => {
  requireKey(key);
  if (ttlSeconds !== undefined && now === undefined) throw new RangeError('A ttl needs the time it is measured at.');
  const bytes = decode(token);
  const plaintext = verified(key, token, bytes) ? decryptVerified(key, bytes) : undefined;
  const fresh = ttlSeconds === undefined || now === undefined || isFresh(readTimestamp(bytes), ttlSeconds, now);
  // One place throws for every cause, so that not even the stacks differ.
  if (plaintext === undefined || !fresh) throw new InvalidToken();
  return plaintext;
};

/**
 * Throws InvalidToken unless the token is well formed and signed with `key`. Neither its age nor its
 * plaintext is read. A token that passes can still fail to decrypt if the holder of the key made it wrongly.
 */
export const verifyFernet = ({ key, token }: Pick<FernetDecryption, 'key' | 'token'>): void => {
  requireKey(key);
  if (!verified(key, token, decode(token))) throw new InvalidToken();
};

/**
 * The time in a token, in seconds since 1970. It is NOT verified: call `verifyFernet` first wherever it decides
 * something. Throws InvalidToken for what is not a token, or a time beyond 2^53 - 1 that a number can't hold.
 */
export const fernetTimestamp = (token: string): number => {
  const bytes = decode(token);
  const seconds = hasShape(bytes) && isCanonical(token, bytes) ? readTimestamp(bytes) : Number.NaN;
  if (!Number.isSafeInteger(seconds)) throw new InvalidToken();
  return seconds;
};

/**
 * The token's plaintext under `newKey`, with the token's own timestamp, so that rotation makes nothing younger.
 * The token's age is not checked. The caller gives a fresh random IV. Throws as `decryptFernet` does.
 */
export const rotateFernet = ({ key, newKey, token, iv }: FernetRotation): string => {
  const plaintext = decryptFernet({ key, token });
  return assemble(newKey, plaintext, decode(token).subarray(timestampAt, ivAt), iv);
};

const requireKey = (key: Uint8Array): void => {
  if (key.length !== keyBytes) throw new RangeError('A Fernet key is 32 bytes.');
};

const timestampBytes = (now: Date): Buffer => {
  const seconds = Math.floor(now.getTime() / 1000);
  if (!(seconds >= 0)) throw new RangeError('A Fernet timestamp is a valid time from 1970 on.');
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(seconds));
  return bytes;
};

const assemble = (key: Uint8Array, plaintext: Uint8Array, timestamp: Uint8Array, iv: Uint8Array): string => {
  requireKey(key);
  if (iv.length !== blockBytes) throw new RangeError('A Fernet IV is 16 bytes.');
  const cipher = createCipheriv('aes-128-cbc', key.subarray(16), iv);
  const signed = Buffer.concat([Uint8Array.of(version), timestamp, iv, cipher.update(plaintext), cipher.final()]);
  return encode(Buffer.concat([signed, sign(key, signed)]));
};

const sign = (key: Uint8Array, signed: Uint8Array): Buffer =>
  createHmac('sha256', key.subarray(0, 16)).update(signed).digest();

const encode = (bytes: Buffer): string => bytes.toString('base64url') + '=='.slice(0, (3 - (bytes.length % 3)) % 3);

// Node's decoder skips what it doesn't know; `isCanonical` is what refuses it.
const decode = (token: string): Buffer => Buffer.from(typeof token === 'string' ? token : '', 'base64url');

// Refuses '+', '/', white space, missing or surplus padding, and bits after the last byte.
const isCanonical = (token: string, bytes: Buffer): boolean => encode(bytes) === token;

const hasShape = (bytes: Buffer): boolean =>
  bytes.length >= shortestToken && (bytes.length - ciphertextAt - macBytes) % blockBytes === 0 && bytes[0] === version;

/* The HMAC is computed for every input, malformed ones too, and before anything else can end the check. */
const verified = (key: Uint8Array, token: string, bytes: Buffer): boolean => {
  const signedBytes = Math.max(bytes.length - macBytes, 0);
  const given = Buffer.alloc(macBytes);
  bytes.copy(given, 0, signedBytes);
  const authentic = timingSafeEqual(sign(key, bytes.subarray(0, signedBytes)), given);
  const canonical = isCanonical(token, bytes);
  const shaped = hasShape(bytes);
  return authentic && canonical && shaped;
};

/*
 * Only for verified bytes, so the padding answers no question of someone without the key. It is taken off here
 * because OpenSSL's refusal is an exception with its cause in it, much slower than success.
 */
const decryptVerified = (key: Uint8Array, bytes: Buffer): Buffer | undefined => {
  const decipher = createDecipheriv('aes-128-cbc', key.subarray(16), bytes.subarray(ivAt, ciphertextAt));
  decipher.setAutoPadding(false);
  const padded = decipher.update(bytes.subarray(ciphertextAt, -macBytes));
  decipher.final();
  return withoutPadding(padded);
};

// PKCS #7 (RFC 5652, 6.3): n bytes, 1 to 16 of them, each with the value n.
const withoutPadding = (padded: Buffer): Buffer | undefined => {
  const count = padded[padded.length - 1] ?? 0;
  if (count < 1 || count > blockBytes) return undefined;
  const padding = padded.subarray(padded.length - count);
  return padding.every((byte) => byte === count) ? padded.subarray(0, padded.length - count) : undefined;
};

// Beyond 2^53 the number is only near the timestamp, which is then far in the future in either case.
const readTimestamp = (bytes: Buffer): number =>
  bytes.length < ivAt ? Number.NaN : Number(bytes.readBigUInt64BE(timestampAt));

// Said as what is allowed, so that a NaN from a broken clock or ttl refuses.
const isFresh = (timestamp: number, ttlSeconds: number, now: Date): boolean => {
  const current = Math.floor(now.getTime() / 1000);
  return timestamp + ttlSeconds >= current && timestamp <= current + maxClockSkewSeconds;
};
