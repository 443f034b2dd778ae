import type { ErrorCode } from '../core/errors.ts';

/**
 * Why an action was allowed, refused or failed: a word of this list and never anything that the caller sent. The verifiable
 * log will hash these words, so none of them ever changes its meaning.
 */
export type AuditReason =
  | ErrorCode
  // Why the caller is allowed it.
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
  // How a user or a secret came to be created.
  | 'bootstrap'
  | 'issuer'
  | 'import'
  // The service did it by itself, since its time had come.
  | 'due'
  // Why the service changed something by itself.
  | 'gone'
  // A list that was only counted.
  | 'stats'
  // What is wrong with a row.
  | 'seal'
  | 'value'
  | 'missing';
