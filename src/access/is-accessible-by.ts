import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import { decide, type SecretFacts } from './decide.ts';

const everything = new Set(permissions);

/**
 * Whether this user can use the secret now: the access rule for a caller with every permission. `sessionId` is a session
 * that was already verified for that user; the compiler keeps it apart from a plain string. `secret` says whether its
 * owner is present in that session. Null matches nothing.
 */
export const isAccessibleBy = (
  secret: SecretFacts,
  userId: UserId,
  sessionId: VerifiedSessionId | null,
  now: Date,
): boolean => {
  const subject = { userId, permissions: everything, session: sessionId, boundToSession: false, waiting: false };
  return decide(subject, 'use', secret, now).allowed;
};
