import { createHmac, timingSafeEqual } from 'node:crypto';
import { type LoginId, uuidBytes, uuidFromBytes } from '../core/ids.ts';
import { lengthPrefixed } from '../crypto/derive.ts';
import type { HeldKeys } from '../keys/index.ts';

/** The login that a refresh token belongs to and its generation; only the latest generation is accepted. */
export interface RefreshToken {
  readonly loginId: LoginId;
  readonly generation: number;
}

const prefix = 'khr_';
const idLength = 16;
const generationLength = 4;
const macLength = 32;

export type RefreshTokens = ReturnType<typeof createRefreshTokens>;

/**
 * Refresh tokens consist of a login's id, a generation and a MAC over both, under a key from a root key. The service can thus
 * tell an old token from a forged one without storing either, and reading or writing the database is not enough to make one.
 */
export const createRefreshTokens = (loginKeys: () => Pick<HeldKeys, 'loginKeys'>) => {
  return {
    /** The root key for new tokens: the primary one. The login's row names it. */
    rootKeyId: (): string => loginKeys().loginKeys[0].rootKeyId,

    /** A new token, under the root key that the login's row names. */
    mint: ({ loginId, generation }: RefreshToken, rootKeyId: string | null): string => {
      const { loginKeys: all } = loginKeys();
      const { refreshKey } = all.find((one) => one.rootKeyId === rootKeyId) ?? all[0];
      const count = Buffer.alloc(generationLength);
      count.writeUInt32BE(generation);
      const id = uuidBytes(loginId);
      return `${prefix}${Buffer.concat([id, count, mac(refreshKey, id, count)]).toString('base64url')}`;
    },

    /** Reads a token that we minted under any root key in use; null for anything else. */
    read: (text: string): RefreshToken | null => {
      const bytes = Buffer.from(text.slice(prefix.length), 'base64url');
      if (bytes.length !== idLength + generationLength + macLength) return null;
      if (text !== `${prefix}${bytes.toString('base64url')}`) return null;
      const id = bytes.subarray(0, idLength);
      const count = bytes.subarray(idLength, idLength + generationLength);
      const given = bytes.subarray(idLength + generationLength);
      const isOurs = loginKeys().loginKeys.some(({ refreshKey }) => timingSafeEqual(mac(refreshKey, id, count), given));
      if (!isOurs) return null;
      return { loginId: uuidFromBytes(id) as LoginId, generation: count.readUInt32BE() };
    },
  };
};

const mac = (key: Buffer, id: Buffer, generation: Buffer): Buffer =>
  createHmac('sha256', key)
    .update(lengthPrefixed([id, generation]))
    .digest();
