import { v7 } from 'uuid';
import { publicRandom } from './random.ts';

import { isUuid } from './uuid.ts';

export { isUuid, uuidBytes, uuidFromBytes } from './uuid.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type UserId = Branded<'UserId'>;
export type SecretId = Branded<'SecretId'>;
export type SessionId = Branded<'SessionId'>;
export type LoginId = Branded<'LoginId'>;
export type TokenId = Branded<'TokenId'>;
export type OwnerKeyId = Branded<'OwnerKeyId'>;
export type JobId = Branded<'JobId'>;
export type HandoverId = Branded<'HandoverId'>;
export type EventRowId = Branded<'EventRowId'>;
export type WebhookId = Branded<'WebhookId'>;
export type DeliveryId = Branded<'DeliveryId'>;

/**
 * A session verified for this request: active, and the caller present in it. Only the sessions domain
 * makes one, so that a session id that came from a client never opens anything by itself.
 */
export type VerifiedSessionId = SessionId & { readonly verified: true };

let lastMs = 0;
let seq = 0;

/** Within a millisecond, ids increase by a counter that starts at a random number (RFC 9562 section 6.2, method 1). */
const nextSeq = (now: number, random: Buffer): number => {
  seq = now > lastMs ? random.readUInt32BE(6) >>> 1 : (seq + 1) >>> 0;
  // A clock that was set back, or a counter that is used up, borrows the next millisecond.
  lastMs = now > lastMs ? now : seq === 0 ? lastMs + 1 : lastMs;
  return seq;
};

/** A new id, UUIDv7 (RFC 9562): made by the service, ordered by time. */
export const newId = <Id extends string>(): Id => {
  const random = publicRandom(16);
  const next = nextSeq(Date.now(), random);
  return v7({ msecs: lastMs, seq: next, random }) as Id;
};

/** The nil UUID (RFC 9562 section 5.9), which is nobody's: every other id comes after it. */
export const nilId = '00000000-0000-0000-0000-000000000000';

/** Of what a statement read as ids, those that are. */
export const idsOf = <Id extends string>(values: readonly unknown[]): Id[] =>
  values.filter((value): value is Id => typeof value === 'string' && isUuid(value));

/** An id as we store it: RFC 9562 allows upper case on input, and output is lower case. */
export const toId = <Id extends string>(text: string): Id => text.toLowerCase() as Id;
