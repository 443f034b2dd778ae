import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { WebhookId } from '../core/ids.ts';
import { webhookSecretKey } from '../crypto/derive.ts';
import { decryptFernet, encryptFernet, InvalidToken } from '../crypto/fernet-token.ts';

/** Keeps the keys that sign what webhooks are sent. */
export interface WebhookSecrets {
  /** The key as a token that opens for this webhook only. */
  encrypt(id: WebhookId, secret: Buffer): string;
  /** The key, or null when the token is not this webhook's. */
  decrypt(id: WebhookId, token: string): Buffer | null;
}

/** Encrypts under the lookup key, which is never replaced, so that rotating keys leaves webhooks alone. */
export const createWebhookSecrets = (lookupKey: Uint8Array, clock: Clock): WebhookSecrets => ({
  encrypt: (id, plaintext) =>
    encryptFernet({ key: webhookSecretKey(lookupKey, id), plaintext, now: clock.now(), iv: randomBytes(16) }),
  decrypt: (id, token) => {
    try {
      return decryptFernet({ key: webhookSecretKey(lookupKey, id), token });
    } catch (error) {
      if (error instanceof InvalidToken) return null;
      throw error;
    }
  },
});
