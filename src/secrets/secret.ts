import { isExpired, type SecretFacts } from '../access/index.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { SecretState } from '../core/secret-types.ts';
import type { SecretRow } from '../db/tables/index.ts';

export { isAccessibleBy } from '../access/index.ts';
export { isExpired };

/** The part of a secret that sharing and switching change. Each function answers the changes, and writes nothing. */
type Sharing = Pick<SecretRow, 'scope' | 'shared_with'>;

export const maxSharedWith = 1000;

/** Adds a user and makes the secret a shared one; sharing twice is the same as once. A session's secret is refused. */
export const shareWith = (secret: Sharing, userId: UserId): Sharing => {
  if (secret.scope === 'session') {
    throw new KeyholdError(
      'state_conflict',
      'This secret belongs to a session. Transfer it to scope user first, then share it.',
    );
  }
  if (secret.shared_with.includes(userId)) return { scope: 'shared', shared_with: secret.shared_with };
  if (secret.shared_with.length >= maxSharedWith) {
    throw new KeyholdError('state_conflict', `A secret can be shared with at most ${maxSharedWith} users.`);
  }
  return { scope: 'shared', shared_with: [...secret.shared_with, userId] };
};

/** Takes a user off; without anybody left, the secret is its owner's alone again. Twice is the same as once. */
export const unshareWith = (secret: Sharing, userId: UserId): Sharing => {
  if (secret.scope !== 'shared') return { scope: secret.scope, shared_with: secret.shared_with };
  const shared_with = secret.shared_with.filter((id) => id !== userId);
  return { scope: shared_with.length === 0 ? 'user' : 'shared', shared_with };
};

export const activate = (): Pick<SecretRow, 'is_active'> => ({ is_active: true });
export const deactivate = (): Pick<SecretRow, 'is_active'> => ({ is_active: false });

export const stateOf = (row: Pick<SecretRow, 'deleted_at' | 'is_active' | 'expires_at'>, now: Date): SecretState => {
  if (row.deleted_at !== null) return 'deleted';
  if (!row.is_active) return 'inactive';
  return isExpired({ expiresAt: row.expires_at }, now) ? 'expired' : 'live';
};

/** What the access rule needs from a verified row and from what was verified with it. */
export const factsOf = (
  row: SecretRow,
  owner: { readonly active: boolean; readonly present: boolean },
): SecretFacts => ({
  ownerId: row.owner_id,
  ownerActive: owner.active,
  ownerPresent: owner.present,
  scope: row.scope,
  sessionId: row.session_id,
  sharedWith: row.shared_with,
  isActive: row.is_active,
  expiresAt: row.expires_at,
  deletedAt: row.deleted_at,
  exposure: row.exposure,
});
