import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import { decide, type SecretFacts } from './decide.ts';

const allPermissions = new Set(permissions);

/**
 * Whether this user can use the secret now: the access rule for a caller with every permission, as one predicate. The
 * services ask `decide`; this is the form in which the rule is specified and its unit tests state it. The caller has verified
 * `sessionId` for that user, which its type demands, and `secret` says whether the secret's owner is present in that
 * session. A null session gives access to no session's secrets.
 */
export const isAccessibleBy = (
  secret: SecretFacts,
  userId: UserId,
  sessionId: VerifiedSessionId | null,
  now: Date,
): boolean => {
  const subject = { userId, permissions: allPermissions, session: sessionId, boundToSession: false, waiting: false };
  return decide(subject, 'use', secret, now).allowed;
};
