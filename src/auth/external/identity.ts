import { invalidCredential } from '../../access/index.ts';
import type { IssuerConfig } from '../../config/issuers.ts';
import type { JwtPayload } from '../jwt-form.ts';
import { isObject, isPlainText } from '../strict-encoding.ts';
import { expiryOf } from '../validity.ts';

/** What an external issuer says about whoever bears its token. Only (issuer, subject) tells who it is. */
export interface ExternalIdentity {
  readonly issuer: IssuerConfig;
  readonly subject: string;
  readonly username: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  /** The session of work that the token is bound to, as the issuer names it; it is still to be verified. */
  readonly sessionName: string | null;
  /** Who acts for the subject: `act.sub` of RFC 8693 section 4.1. */
  readonly agent: string | null;
  readonly expiresAt: Date;
}

const maxTextLength = 8192;
const maxAgentLength = 128;

/**
 * The identity in the claims of a token that was verified. Throws `unauthenticated` where a claim that we read is
 * of another type than it should be: a session or an agent that is not understood is never left out.
 */
export const readExternalIdentity = (issuer: IssuerConfig, payload: JwtPayload): ExternalIdentity => ({
  issuer,
  subject: payload.sub,
  username: describingClaim(payload, issuer.usernameClaim),
  email: describingClaim(payload, 'email'),
  displayName: describingClaim(payload, 'name'),
  sessionName: issuer.sessionClaim === null ? null : sessionName(payload, issuer.sessionClaim),
  agent: agentOf(payload),
  expiresAt: expiryOf(payload),
});

/** Issuers write null or nothing at all for what they don't know of somebody. */
const describingClaim = (payload: JwtPayload, name: string): string | null => {
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
