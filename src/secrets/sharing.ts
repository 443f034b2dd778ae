import { type Caller, withListPermission } from '../core/caller.ts';
import { invalid, KeyholdError, notFound } from '../core/errors.ts';
import type { SecretId, UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { UserReference, Users } from '../users/index.ts';
import type { Changes, ExpectedRevision, LockedSecret } from './change.ts';
import { shareWith, unshareWith } from './secret.ts';
import type { SecretView } from './view.ts';

interface Deps {
  readonly changes: Changes;
  readonly users: Pick<Users, 'lockActive' | 'byKey'>;
}

export const createSharing = ({ changes: { change }, users }: Deps) => {
  const shareLocked = async (locked: LockedSecret<'secret.share'>, who: UserReference) => {
    const user = await users.lockActive(locked.tx, who);
    if (!user) return await locked.refuse(invalid(fieldOf(who), 'names a user who is unknown or disabled.'));
    if (user.id === locked.loaded.row.owner_id)
      return await locked.refuse(invalid(fieldOf(who), 'names you, the owner.'));
    const shared = attempt(() => shareWith(locked.loaded.row, user.id));
    if ('error' in shared) return await locked.refuse(shared.error);
    return { ok: await locked.write(shared.ok, { user_id: user.id }) };
  };

  /** An id as it is, or the id of a username: a disabled user can be taken off all the same. */
  /** The id behind a reference. A disabled user's name counts only where they are on the list: else it would tell of them. */
  const granteeId = async (tx: Tx, who: UserReference, listed: readonly UserId[]): Promise<UserId | null> => {
    if ('userId' in who) return who.userId;
    const user = await users.byKey(tx, who.username);
    return user && (user.status === 'active' || listed.includes(user.id)) ? user.id : null;
  };

  return {
    /** Shares with one user; twice is the same as once. The owner only. */
    share: (caller: Caller, id: SecretId, who: UserReference, expected: ExpectedRevision): Promise<SecretView> =>
      change(caller, { id, action: 'share', as: 'secret.share', ...expected }, (locked) => shareLocked(locked, who)),

    /** Takes one user off; twice is the same as once. The owner only. */
    unshare: (caller: Caller, id: SecretId, who: UserReference, expected: ExpectedRevision): Promise<SecretView> =>
      change(caller, { id, action: 'share', as: 'secret.unshare', ...expected }, async (locked) => {
        const userId = await granteeId(locked.tx, who, locked.loaded.row.shared_with);
        if (userId === null) return await locked.refuse(invalid(fieldOf(who), 'names an unknown user.'));
        return { ok: await locked.write(unshareWith(locked.loaded.row, userId), { user_id: userId }) };
      }),

    /** Takes the caller off a secret that was shared with them. */
    leaveShare: (caller: Caller, id: SecretId): Promise<void> =>
      change(withListPermission(caller), { id, action: 'list', as: 'secret.unshare' }, async (locked) => {
        const { row } = locked.loaded;
        if (!row.shared_with.includes(caller.userId)) return await locked.refuse(notFound());
        await locked.write(unshareWith(row, caller.userId), { user_id: caller.userId });
        return { ok: undefined };
      }),
  };
};

const fieldOf = (who: UserReference): 'user_id' | 'username' => ('userId' in who ? 'user_id' : 'username');

const attempt = <T>(work: () => T): { ok: T } | { error: KeyholdError } => {
  try {
    return { ok: work() };
  } catch (error) {
    if (error instanceof KeyholdError) return { error };
    throw error;
  }
};
