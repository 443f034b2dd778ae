import { createHmac, type KeyObject, sign as signBytes } from 'node:crypto';

/*
 * Tokens written by hand on node:crypto, with none of the code under test and none of its library, so that a test
 * can sign anything: also what no honest library would.
 */

export type Members = Readonly<Record<string, unknown>>;

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

type Signer = (input: string) => string;

const hashes: Record<string, string> = { '256': 'sha256', '384': 'sha384', '512': 'sha512' };

/** Signs as RFC 7518 and RFC 8037 say for `alg`. */
export const signer = (alg: string, key: KeyObject): Signer => {
  const hash = hashes[alg.slice(2)] ?? null;
  const family = alg.slice(0, 2);
  const options =
    family === 'PS'
      ? { key, padding: 6, saltLength: Number(alg.slice(2)) / 8 }
      : { key, dsaEncoding: 'ieee-p1363' as const };
  return (input) => signBytes(hash, Buffer.from(input), options).toString('base64url');
};

/** HS256 with whatever bytes. */
export const macSigner =
  (secret: string | Buffer): Signer =>
  (input) =>
    createHmac('sha256', secret).update(input).digest('base64url');

/** A compact JWS over the given members; a string stands for its own text, so that JSON can be malformed. */
export const forge = (header: Members | string, payload: Members | string, sign: Signer): string =>
  forgeEncoded(encode(header), encode(payload), sign);

/** The same over parts that are already encoded, canonically or not: the signature is right for what is written. */
export const forgeEncoded = (header: string, payload: string, sign: Signer): string =>
  `${header}.${payload}.${sign(`${header}.${payload}`)}`;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Spellings that a lenient decoder reads as the same bytes. `part` must not fill its last group of four characters. */
export const otherSpellings = (part: string): readonly string[] => {
  const bytes = Buffer.from(part, 'base64url');
  const last = alphabet.indexOf(part.slice(-1));
  const trailingBit = part.slice(0, -1) + alphabet[last + 1];
  const spellings = [
    `${part}=`,
    `${part}==`,
    `${part} `,
    `\n${part}`,
    `${part.slice(0, 3)} ${part.slice(3)}`,
    trailingBit,
  ];
  for (const spelling of spellings) {
    if (!Buffer.from(spelling, 'base64url').equals(bytes)) throw new Error(`${spelling} does not spell the same bytes`);
  }
  return spellings;
};

/** Every way of writing `none` in upper and lower case. */
export const spellingsOfNone: readonly string[] = Array.from({ length: 16 }, (_, bits) =>
  [...'none'].map((letter, at) => (bits & (1 << at) ? letter.toUpperCase() : letter)).join(''),
);
