import { sql } from 'kysely';
import type { Caller } from '../core/caller.ts';
import { type KeyholdError, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { type Db, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { notWritten, type Seals } from '../keys/index.ts';
import { adminOnly, isAdmin, isLastAdministrator, lastAdministrator, lockAdministration } from './administrators.ts';
import { type ClosedIdentities, type LockedCount, registerBroken } from './closed-identities.ts';
import { countCredentials, deleteKeys, purgeCredentials, type UserCredentials } from './credentials.ts';
import type { UserQueries } from './queries.ts';
import type { Revise } from './revise.ts';

/** A user whom the caller is allowed to erase, locked until the transaction ends. */
export interface LockedForErasing {
  readonly row: UserRow;
  readonly count: LockedCount;
}

interface Deps {
  readonly seals: Seals;
  readonly queries: Pick<UserQueries, 'byId' | 'lock' | 'activeAdmins'>;
  readonly revise: Revise;
  readonly credentials: Pick<UserCredentials, 'lock'>;
  readonly closedIdentities: ClosedIdentities;
}

/** Why the caller may not erase this user, whoever else there is. */
const refusalOf = (caller: Caller, id: UserId, row: UserRow | null): KeyholdError | null => {
  if (caller.userId !== id && !isAdmin(caller)) return adminOnly();
  return row === null || row.status === 'erased' ? notFound() : null;
};

export const createErasing = ({ seals, queries, revise, credentials, closedIdentities }: Deps) => {
  /** Makes the user's keys unusable. The rows stay while secrets and versions refer to them. */
  const destroyKeys = async (tx: Tx, owner_id: UserId): Promise<void> => {
    const destroyed = { state: 'destroyed', wrapped_key: '' } as const;
    const rows = await seals.load(tx, 'owner_keys', { owner_id }, { orderBy: sql`id`, lock: 'update' });
    for (const row of rows) await seals.update(tx, 'owner_keys', row, destroyed);
    // A row that was changed by somebody else may hold the key all the same.
    const left = sql`from public.owner_keys where owner_id = ${owner_id} and wrapped_key <> ''`;
    await sql`update public.owner_keys set wrapped_key = '', state = 'destroyed' where owner_id = ${owner_id}
      and wrapped_key <> ''`.execute(tx);
    if ((await sql`select 1 ${left} limit 1`.execute(tx)).rows.length > 0) throw notWritten('owner_keys');
  };

  return {
    /** Takes the locks of an erasure in the order of every other change: credentials, then the user. */
    lockFirst: async (tx: Tx, caller: Caller, id: UserId): Promise<void> => {
      if (caller.userId !== id && !isAdmin(caller)) return;
      await lockAdministration(tx);
      await credentials.lock(tx, id);
      await queries.lock(tx, id);
    },

    /**
     * The user, locked for `close`, or the refusal, which the caller of this function records. The transaction has begun with
     * `lockFirst`.
     */
    lockForErasing: async (tx: Tx, caller: Caller, id: UserId): Promise<Outcome<LockedForErasing>> => {
      if (caller.userId !== id && !isAdmin(caller)) return refusedWith(adminOnly());
      const row = await queries.lock(tx, id);
      const refusal = refusalOf(caller, id, row);
      if (row === null || refusal) return refusedWith(refusal ?? notFound());
      if (await isLastAdministrator(queries, tx, row)) return refusedWith(lastAdministrator());
      const count = await closedIdentities.lock(tx);
      return count ? { ok: { row, count } } : refusedWith(registerBroken());
    },

    /**
     * Everything about erasing a user that decides about access: nobody can be this user, or open anything of theirs, once
     * it is committed. The row becomes a tombstone, which keeps the id so that it is never reused; the identity stays out for
     * good; the owner keys are destroyed. What the user leaves behind is purged afterwards.
     */
    close: async (tx: Tx, { row, count }: LockedForErasing): Promise<void> => {
      await closedIdentities.enter(tx, count, row, 'closed');
      await destroyKeys(tx, row.id);
      await revise(tx, row, tombstone(row.id));
    },

    /** Deletes logins, tokens and the answers kept for repeated requests. */
    purgeLogins: purgeCredentials('logins', 'logins'),
    purgeTokens: purgeCredentials('tokens', 'tokens'),
    purgeRepeats: purgeCredentials('idempotency_keys', null),
    /** Deletes the destroyed owner keys, to which nothing refers any more. */
    purgeKeys: deleteKeys,

    /** The user whom an erasure would erase, and why it would be refused. Rejects with a refusal that is about the caller. */
    previewErasing: async (
      db: Db,
      caller: Caller,
      id: UserId,
    ): Promise<Outcome<{ readonly user: UserRow; readonly blocking: KeyholdError | null }>> => {
      const user = await queries.byId(db, id);
      const refusal = refusalOf(caller, id, user);
      if (user === null || refusal) return refusedWith(refusal ?? notFound());
      const isLast =
        user.role === 'admin' &&
        user.status === 'active' &&
        !(await queries.activeAdmins(db)).some((admin) => admin.id !== id);
      return { ok: { user, blocking: isLast ? lastAdministrator() : null } };
    },

    countCredentials,
  };
};

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
