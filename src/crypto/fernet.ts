import { randomBytes } from 'node:crypto';
import {
  decryptFernet,
  encryptFernet,
  fernetTimestamp,
  InvalidToken,
  rotateFernet,
  verifyFernet,
} from './fernet-token.ts';

export { InvalidToken };

const ivBytes = 16;

/*
 * Random bytes drawn for 256 tokens at a time: a call for 16 bytes costs more than the encryption of a short
 * value. Each IV leaves the pool once.
 */
let pool = Buffer.alloc(0);

const nextIv = (): Buffer => {
  if (pool.length < ivBytes) pool = randomBytes(256 * ivBytes);
  const iv = pool.subarray(0, ivBytes);
  pool = pool.subarray(ivBytes);
  return iv;
};

/** A new random Fernet key: 32 bytes as 44 characters of padded base64url. Keep it secret. */
export const generateKey = (): string => `${randomBytes(32).toString('base64url')}=`;

// Unpooled memory, so that no other Buffer's `.buffer` reaches the key.
const keyFrom = (text: string): Buffer => {
  const key = Buffer.alloc(32);
  const canonical = typeof text === 'string' && key.write(text, 'base64url') === 32;
  if (!canonical || `${key.toString('base64url')}=` !== text) {
    throw new RangeError('A Fernet key is 32 bytes written as 44 characters of padded base64url.');
  }
  return key;
};

// A lone surrogate would be replaced silently, and the secret that comes back would be another one.
const bytesOf = (plaintext: string | Uint8Array): Uint8Array => {
  if (typeof plaintext !== 'string') return plaintext;
  if (!plaintext.isWellFormed()) throw new TypeError('The text has a lone surrogate, which UTF-8 cannot carry.');
  return Buffer.from(plaintext, 'utf8');
};

let keyOf: (fernet: Fernet) => Buffer;

/**
 * Fernet (https://github.com/fernet/spec) with one key and the system's clock and randomness; tokens are
 * interchangeable with those of Python's `cryptography`. The key does not show when an instance is printed.
 */
export class Fernet {
  readonly #key: Buffer;

  static {
    keyOf = (fernet) => fernet.#key;
  }

  /** Takes a key as `generateKey` writes it. Throws RangeError, without the key in it, for anything else. */
  constructor(key: string) {
    this.#key = keyFrom(key);
  }

  /** A token of the bytes, or of the text as UTF-8, stamped with the present second. */
  encrypt(plaintext: string | Uint8Array): string {
    return this.encryptAtTime(plaintext, new Date());
  }

  /** As `encrypt`, stamped with `now`. Throws RangeError for a time before 1970 or an invalid one. */
  encryptAtTime(plaintext: string | Uint8Array, now: Date): string {
    return encryptFernet({ key: this.#key, plaintext: bytesOf(plaintext), now, iv: nextIv() });
  }

  /**
   * The plaintext of a token made with this key. With `ttlSeconds`, the token must be no older than that and no
   * more than 60 s ahead of this machine's clock; without it, the age is not checked. Throws InvalidToken.
   */
  decrypt(token: string, ttlSeconds?: number): Buffer {
    return decryptFernet({ key: this.#key, token, now: new Date(), ttlSeconds });
  }

  /** As `decrypt` with a ttl, as if it were `now`. Throws InvalidToken. */
  decryptAtTime(token: string, ttlSeconds: number, now: Date): Buffer {
    return decryptFernet({ key: this.#key, token, now, ttlSeconds: requiredTtl(ttlSeconds) });
  }

  /** When the token was made, in seconds since 1970, once its signature is verified. Throws InvalidToken. */
  extractTimestamp(token: string): number {
    verifyFernet({ key: this.#key, token });
    return fernetTimestamp(token);
  }
}

// In a program without types a forgotten ttl would otherwise switch the check off.
const requiredTtl = (ttlSeconds: number): number => ttlSeconds ?? Number.NaN;

/**
 * Several Fernet keys, newest first: the first encrypts, each of them decrypts. To rotate, put a new key first,
 * `rotate` the stored tokens, then drop the old key.
 */
export class MultiFernet {
  readonly #first: Fernet;
  readonly #all: readonly Fernet[];

  /** Takes at least one Fernet, the one that encrypts first. Throws RangeError for none. */
  constructor(fernets: readonly Fernet[]) {
    const [first] = fernets;
    if (first === undefined) throw new RangeError('A MultiFernet needs at least one Fernet.');
    this.#first = first;
    this.#all = [...fernets];
  }

  /** A token under the first key; otherwise as `Fernet.encrypt`. */
  encrypt(plaintext: string | Uint8Array): string {
    return this.#first.encrypt(plaintext);
  }

  /** A token under the first key; otherwise as `Fernet.encryptAtTime`. */
  encryptAtTime(plaintext: string | Uint8Array, now: Date): string {
    return this.#first.encryptAtTime(plaintext, now);
  }

  /** The plaintext under whichever key opens it; otherwise as `Fernet.decrypt`. Throws InvalidToken. */
  decrypt(token: string, ttlSeconds?: number): Buffer {
    return this.#byAny((fernet) => fernet.decrypt(token, ttlSeconds));
  }

  /** The plaintext under whichever key opens it; otherwise as `Fernet.decryptAtTime`. Throws InvalidToken. */
  decryptAtTime(token: string, ttlSeconds: number, now: Date): Buffer {
    return this.#byAny((fernet) => fernet.decryptAtTime(token, ttlSeconds, now));
  }

  /** When the token was made, verified under whichever key signed it; otherwise as `Fernet.extractTimestamp`. */
  extractTimestamp(token: string): number {
    return this.#byAny((fernet) => fernet.extractTimestamp(token));
  }

  /**
   * The token's plaintext under the first key with a fresh IV and the token's own timestamp, whatever its age.
   * Throws InvalidToken if no key opens it.
   */
  rotate(token: string): string {
    const newKey = keyOf(this.#first);
    return this.#byAny((fernet) => rotateFernet({ key: keyOf(fernet), newKey, token, iv: nextIv() }));
  }

  #byAny<T>(attempt: (fernet: Fernet) => T): T {
    for (const fernet of this.#all) {
      try {
        return attempt(fernet);
      } catch (error) {
        if (!(error instanceof InvalidToken)) throw error;
      }
    }
    throw new InvalidToken();
  }
}
