import { createHmac, timingSafeEqual } from 'node:crypto';
import type { RootKeys } from '../config/root-keys.ts';
import { type LoginId, uuidBytes, uuidFromBytes } from '../core/ids.ts';
import { lengthPrefixed, refreshKey } from '../crypto/derive.ts';

/** Which login a refresh token belongs to, and the how-manieth it is: only the newest is good. */
export interface RefreshToken {
  readonly loginId: LoginId;
  readonly generation: number;
}

export interface RefreshTokens {
  mint(token: RefreshToken): string;
  /** Reads a token that we minted, under any configured root key; null for anything else. */
  read(text: string): RefreshToken | null;
}

const prefix = 'khr_';
const length = 16 + 4 + 32;

/**
 * Refresh tokens are a login's id, a generation and a MAC over both under a key from the root key. An old one can be told
 * from a forged one without storing either, and nobody who reads or writes the database can make one.
 */
export const createRefreshTokens = (rootKeys: RootKeys['keys']): RefreshTokens => {
  const [first, ...others] = rootKeys.map((root) => refreshKey(root.key.expose()));

  const mac = (key: Buffer, id: Buffer, generation: Buffer): Buffer =>
    createHmac('sha256', key)
      .update(lengthPrefixed([id, generation]))
      .digest();

  return {
    mint: ({ loginId, generation }) => {
      const count = Buffer.alloc(4);
      count.writeUInt32BE(generation);
      const id = uuidBytes(loginId);
      return `${prefix}${Buffer.concat([id, count, mac(first ?? Buffer.alloc(0), id, count)]).toString('base64url')}`;
    },
    read: (text) => {
      const bytes = Buffer.from(text.slice(prefix.length), 'base64url');
      if (bytes.length !== length || text !== `${prefix}${bytes.toString('base64url')}`) return null;
      const id = bytes.subarray(0, 16);
      const count = bytes.subarray(16, 20);
      const given = bytes.subarray(20);
      const ours = [first ?? Buffer.alloc(0), ...others].some((key) => timingSafeEqual(mac(key, id, count), given));
      return ours ? { loginId: uuidFromBytes(id) as LoginId, generation: count.readUInt32BE() } : null;
    },
  };
};
