import { invalidCredential } from '../../access/index.ts';
import type { IssuerConfig } from '../../config/issuers.ts';
import type { JwtPayload } from '../jwt-form.ts';
import { isObject, isPlainText } from '../strict-encoding.ts';
import { expiryOf } from '../validity.ts';

/** What an external issuer says about the bearer of its token. Only (issuer, subject) identifies them. */
export interface ExternalIdentity {
  readonly issuer: IssuerConfig;
  readonly subject: string;
  readonly username: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  /** The session that the token is bound to, as the issuer names it. It is not verified yet. */
  readonly sessionName: string | null;
  /** The agent that acts for the subject: `act.sub` of RFC 8693 section 4.1. */
  readonly agent: string | null;
  /** When the token was issued, to the second before; null where it does not say so. */
  readonly issuedAt: Date | null;
  readonly expiresAt: Date;
}

const maxTextLength = 8192;
const maxAgentLength = 128;

/**
 * The identity in the claims of a verified token. Throws `unauthenticated` when a claim that we read has the wrong type, so
 * that a session or an agent is never ignored because it is malformed.
 */
export const readExternalIdentity = (issuer: IssuerConfig, payload: JwtPayload): ExternalIdentity => ({
  issuer,
  subject: payload.sub,
  username: optionalText(payload, issuer.usernameClaim),
  email: optionalText(payload, 'email'),
  displayName: optionalText(payload, 'name'),
  sessionName: issuer.sessionClaim === null ? null : sessionName(payload, issuer.sessionClaim),
  agent: agentOf(payload),
  issuedAt: payload.iat === undefined ? null : new Date(Math.floor(payload.iat) * 1000),
  expiresAt: expiryOf(payload),
});

/** Issuers write null or an empty text for what they do not know about a user. */
const optionalText = (payload: JwtPayload, name: string): string | null => {
  const value = payload[name];
  if (value === undefined || value === null || value === '') return null;
  if (!isPlainText(value, maxTextLength)) throw invalidCredential();
  return value;
};

const sessionName = (payload: JwtPayload, name: string): string | null => {
  const value = payload[name];
  if (value === undefined) return null;
  if (!isPlainText(value, maxTextLength)) throw invalidCredential();
  return value;
};

const agentOf = (payload: JwtPayload): string | null => {
  const { act } = payload;
  if (act === undefined) return null;
  if (!isObject(act) || !isPlainText(act['sub'], maxAgentLength)) throw invalidCredential();
  return act['sub'];
};
