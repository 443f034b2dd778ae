import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { UserId } from '../core/ids.ts';
import { eventIdKey } from '../crypto/derive.ts';

/** Whose ids they are, and since which restore of the database; the nil UUID where there was none. */
export interface EventIdScope {
  readonly userId: UserId;
  readonly epoch: string;
}

/**
 * The ids of a user's events in a stream: the position, encrypted under a key of that user. An id tells nothing of how many
 * events there are, and is worthless to another user and after a restore.
 */
export interface EventIds {
  encode(scope: EventIdScope, position: number): string;
  /** The position, or null for any other text. */
  decode(scope: EventIdScope, id: string): number | null;
}

const blockBytes = 16;
const idForm = /^[A-Za-z0-9_-]{21}[AQgw]$/;

export const createEventIds = (lookupKey: Uint8Array): EventIds => {
  const keyOf = ({ epoch, userId }: EventIdScope): Buffer => eventIdKey(lookupKey, epoch, userId);
  // One block and no mode around it: each position is encrypted once, and the second half of the block authenticates it.
  return {
    encode: (scope, position) => {
      const block = Buffer.alloc(blockBytes);
      block.writeBigUInt64BE(BigInt(position));
      const cipher = createCipheriv('aes-256-ecb', keyOf(scope), null).setAutoPadding(false);
      return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url');
    },
    decode: (scope, id) => {
      if (!idForm.test(id)) return null;
      const decipher = createDecipheriv('aes-256-ecb', keyOf(scope), null).setAutoPadding(false);
      const block = Buffer.concat([decipher.update(Buffer.from(id, 'base64url')), decipher.final()]);
      const position = Number(block.readBigUInt64BE(0));
      return block.readBigUInt64BE(8) === 0n && Number.isSafeInteger(position) ? position : null;
    },
  };
};
