import { createHmac, randomBytes } from 'node:crypto';

/* Signatures of Standard Webhooks 1.0 (https://www.standardwebhooks.com), symmetric: HMAC-SHA256. */

const prefix = 'whsec_';

export const newSigningKey = (): Buffer => randomBytes(32);

/** The key in the form that receivers are configured with: padded standard base64 behind a prefix. */
export const textOfSigningKey = (key: Buffer): string => `${prefix}${key.toString('base64')}`;

interface Message {
  /** The id of the event, the same for each attempt. */
  readonly id: string;
  /** When this attempt is made. */
  readonly at: Date;
  readonly body: Buffer;
}

/** The headers of one attempt, with one signature for each key. */
export const signedHeaders = ({ id, at, body }: Message, keys: readonly Buffer[]): Record<string, string> => {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = keys.map((key) => {
    const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
    return `v1,${mac}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
};
