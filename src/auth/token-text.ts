import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { TokenId } from '../core/ids.ts';
import { formatToken, tokenIdOf, tokenSecretLength } from '../core/token-form.ts';

export { tokenPrefix } from '../core/token-form.ts';

/** A new token for this row. Shown once. */
export const mintToken = (id: TokenId): string => formatToken(id, randomBytes(tokenSecretLength));

/** What is stored. The token is random through and through, so one SHA-256 is enough. */
export const hashToken = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The row that a token names, or null when the text has not exactly the form that we mint. */
export const readToken = (text: string): TokenId | null => tokenIdOf(text) as TokenId | null;

export const matchesHash = (text: string, hash: Buffer): boolean =>
  hash.length === 32 && timingSafeEqual(hashToken(text), hash);
