import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { UserId } from '../core/ids.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly users: Pick<Users, 'lockForErasing' | 'erase'>;
  readonly sessions: Pick<Sessions, 'eraseUser'>;
  readonly secrets: Pick<Secrets, 'eraseUser'>;
}

export type Erase = ReturnType<typeof createErase>;

export const createErase =
  ({ audit, mutate, users, sessions, secrets }: Deps) =>
  /**
   * Erases a user for good, in one transaction: secrets and versions, owner keys, logins, tokens, their presence everywhere
   * and everything about the person. The id stays, as a tombstone, so that records never point at somebody else. Users can
   * erase themselves, administrators everybody. Throws `permission_missing`, `not_found`, `state_conflict` for the last
   * active administrator, `integrity_broken` while the record of closed identities cannot be relied on.
   */
  (caller: Caller, id: UserId): Promise<void> =>
    mutate(caller, async (tx) => {
      const target = { type: 'user', id } as const;
      const locked = await users.lockForErasing(tx, caller, id);
      if ('refused' in locked) return await audit.refuse(tx, caller, 'user.erase', { target, error: locked.refused });
      const { erased, unshared } = await secrets.eraseUser(tx, id);
      const ended = await sessions.eraseUser(tx, id);
      await users.erase(tx, locked.ok);
      const details = { secrets: erased, shares: unshared, sessions: ended };
      await audit.allow(tx, caller, 'user.erase', { target, details });
      return { ok: undefined };
    });
