import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type TokenId, uuidBytes, uuidFromBytes } from '../core/ids.ts';

/** Personal and agent tokens begin with this, so that scanners of repositories can find lost ones. */
export const tokenPrefix = 'kh_';
const secretLength = 32;

/** A new token for this row: the row's id, by which it is found, and 32 random bytes. Shown once. */
export const mintToken = (id: TokenId): string =>
  `${tokenPrefix}${Buffer.concat([uuidBytes(id), randomBytes(secretLength)]).toString('base64url')}`;

/** What is stored. The token is random through and through, so one SHA-256 is enough. */
export const hashToken = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The row that a token names, or null when the text has not exactly the form that we mint. */
export const readToken = (text: string): TokenId | null => {
  const bytes = Buffer.from(text.slice(tokenPrefix.length), 'base64url');
  if (bytes.length !== 16 + secretLength || text !== `${tokenPrefix}${bytes.toString('base64url')}`) return null;
  return uuidFromBytes(bytes.subarray(0, 16)) as TokenId;
};

export const matchesHash = (text: string, hash: Buffer): boolean =>
  hash.length === 32 && timingSafeEqual(hashToken(text), hash);
