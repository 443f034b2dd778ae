import type { Caller } from '../core/caller.ts';
import { notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { isAdmin } from './administrators.ts';
import { pageOfIds, type UserQueries } from './queries.ts';
import { cardOf, type UserCard, type UserView, usernameKey, viewOf } from './user.ts';

/** A user named by the client: by id or by username. */
export type UserReference = { readonly userId: UserId } | { readonly username: string };

interface Deps {
  readonly db: Db;
  readonly queries: UserQueries;
}

export type LookUp = ReturnType<typeof createLookUp>;

export const createLookUp = ({ db, queries }: Deps) => {
  const idOf = async (handle: Db, reference: UserReference): Promise<UserId | undefined> =>
    'userId' in reference ? reference.userId : (await queries.byKey(handle, usernameKey(reference.username)))?.id;

  return {
    /** One user: in full to administrators and to themselves, else as a card. Throws `not_found`. */
    get: async (caller: Caller, id: UserId): Promise<UserCard | UserView> => {
      const row = await mapDbErrors(queries.byId(db, id));
      const hidden = row?.status === 'erased' || (row?.status === 'disabled' && !isAdmin(caller));
      if (!row || hidden) throw notFound();
      return isAdmin(caller) || caller.userId === row.id ? viewOf(row) : cardOf(row);
    },

    /** Users to share with, by the beginning of their usernames. Administrators also see disabled users. */
    list: async (caller: Caller, prefix: string | null, page: Page): Promise<Paged<UserCard | UserView>> => {
      const key = prefix === null ? null : usernameKey(prefix);
      const ids = await mapDbErrors(pageOfIds(db, key, page, isAdmin(caller)));
      const { items, next_cursor } = pageOf(ids, page.limit, (id) => id);
      const rows = await mapDbErrors(queries.listed(db, items, isAdmin(caller)));
      const found = key === null ? rows : rows.filter((row) => row.username_key.startsWith(key));
      return { items: found.map(isAdmin(caller) ? viewOf : cardOf), next_cursor };
    },

    /** The user with this username, of any status, or null. */
    byKey: (handle: Db, username: string): Promise<UserRow | null> => queries.byKey(handle, usernameKey(username)),

    /** The user whom this issuer knows by this subject, of any status, or null. */
    bySubject: (handle: Db, issuer: string, subject: string): Promise<UserRow | null> =>
      queries.bySubject(handle, issuer, subject),

    /** The active user of this reference, locked so that nobody disables or erases them before the transaction ends; or null. */
    lockActive: async (tx: Tx, reference: UserReference): Promise<UserRow | null> => {
      const id = await idOf(tx, reference);
      const row = id === undefined ? null : await queries.lockShared(tx, id);
      const stillNamed = 'userId' in reference || row?.username_key === usernameKey(reference.username);
      return stillNamed && row?.status === 'active' ? row : null;
    },

    /** The cards of these users, for showing names next to ids. */
    cards: async (handle: Db, ids: readonly UserId[]): Promise<ReadonlyMap<UserId, UserCard>> => {
      const rows = await queries.byIds(handle, ids);
      return new Map(rows.filter((row) => row.status !== 'erased').map((row) => [row.id, cardOf(row)]));
    },

    /** Every active administrator. */
    administrators: async (handle: Db): Promise<readonly UserId[]> =>
      (await queries.activeAdmins(handle)).map((row) => row.id),

    /** Those of these users who are active now and whose rows are intact. */
    active: async (handle: Db, ids: readonly UserId[]): Promise<ReadonlySet<UserId>> => {
      const rows = await queries.byIds(handle, ids);
      return new Set(rows.filter((row) => row.status === 'active').map((row) => row.id));
    },
  };
};
