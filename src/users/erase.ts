import type { Caller } from '../core/caller.ts';
import { notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { adminOnly, isAdmin, isLastAdministrator, lastAdministrator, lockAdministration } from './administrators.ts';
import { type ClosedIdentities, type LockedCount, registerBroken } from './closed-identities.ts';
import { deleteCredentials } from './credentials.ts';
import type { UserQueries } from './queries.ts';
import type { Revise } from './revise.ts';

/** A user whom the caller is allowed to erase, locked until the transaction ends. */
export interface LockedForErasing {
  readonly row: UserRow;
  readonly count: LockedCount;
}

interface Deps {
  readonly queries: Pick<UserQueries, 'lock' | 'activeAdmins'>;
  readonly revise: Revise;
  readonly closedIdentities: ClosedIdentities;
}

export const createErasing = ({ queries, revise, closedIdentities }: Deps) => ({
  /** Locks a user for `erase`, or resolves to the refusal, which the caller of this function records. */
  lockForErasing: async (tx: Tx, caller: Caller, id: UserId): Promise<Outcome<LockedForErasing>> => {
    if (caller.userId !== id && !isAdmin(caller)) return refusedWith(adminOnly());
    await lockAdministration(tx);
    const row = await queries.lock(tx, id);
    if (!row || row.status === 'erased') return refusedWith(notFound());
    if (await isLastAdministrator(queries, tx, row)) return refusedWith(lastAdministrator());
    const count = await closedIdentities.lock(tx);
    return count ? { ok: { row, count } } : refusedWith(registerBroken());
  },

  /**
   * Replaces the user with a tombstone, which keeps the id so that it is never reused. Everything about the person is deleted,
   * with their owner keys, logins and tokens, and their identity stays out for good. Their secrets must be gone already.
   */
  erase: async (tx: Tx, { row, count }: LockedForErasing): Promise<void> => {
    await closedIdentities.enter(tx, count, row, 'closed');
    await deleteCredentials(tx, row.id);
    await revise(tx, row, tombstone(row.id));
  },
});

const tombstone = (id: UserId): Partial<UserRow> => ({
  username: `erased-${id}`,
  username_key: `erased-${id}`,
  email: null,
  display_name: null,
  password_hash: null,
  previous_password_hash: null,
  password_reset_at: null,
  issuer: null,
  subject: null,
  role: 'member',
  status: 'erased',
  secrets_from: null,
  metadata: {},
});
