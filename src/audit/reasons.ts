import type { ErrorCode } from '../core/errors.ts';

/**
 * Why an action was allowed, refused or failed: a word of this list and never anything that the caller sent. The verifiable
 * log will hash them, so a word never changes its meaning.
 */
export type AuditReason =
  | ErrorCode
  // How the caller comes to be allowed it.
  | 'owner'
  | 'session'
  | 'shared'
  | 'operator'
  // What the access rule refuses.
  | 'permission'
  | 'waiting'
  | 'nothing'
  | 'ambiguous'
  | 'inactive'
  | 'expired'
  | 'deleted'
  // What is wrong with a credential or an identity.
  | 'unknown'
  | 'unknown_user'
  | 'wrong_password'
  | 'ended'
  | 'reused'
  | 'disabled'
  | 'user_disabled'
  | 'no_username'
  | 'username_taken'
  | 'id_taken'
  | 'identity_closed'
  | 'record_broken'
  // What a user or a secret was created by.
  | 'bootstrap'
  | 'issuer'
  | 'import'
  // A list that was only counted.
  | 'stats'
  // What is wrong with a row.
  | 'seal'
  | 'value'
  | 'missing';
