import { v7 } from 'uuid';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type UserId = Branded<'UserId'>;
export type SecretId = Branded<'SecretId'>;
export type SessionId = Branded<'SessionId'>;
export type LoginId = Branded<'LoginId'>;
export type TokenId = Branded<'TokenId'>;
export type OwnerKeyId = Branded<'OwnerKeyId'>;

/**
 * A session verified for this request: active, and the caller present in it. Only the sessions domain
 * makes one, so that a session id that came from a client never opens anything by itself.
 */
export type VerifiedSessionId = SessionId & { readonly verified: true };

/** A new id, UUIDv7 (RFC 9562): made by the service, ordered by time. */
export const newId = <Id extends string>(): Id => v7() as Id;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (text: string): boolean => uuidPattern.test(text);

/** An id as we store it: RFC 9562 allows upper case on input, and output is lower case. */
export const toId = <Id extends string>(text: string): Id => text.toLowerCase() as Id;

/** The 16 bytes of a UUID in its textual form. */
export const uuidBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

/** The textual form of 16 bytes. */
export const uuidFromBytes = (bytes: Buffer): string => {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
};
