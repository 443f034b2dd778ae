import { sql } from 'kysely';
import { idsOf, type UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** All SQL of this domain, bound to the seals that verify what it reads. */
export type UserQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => ({
  byId: (db: Db, id: UserId): Promise<UserRow | null> => seals.loadOne(db, 'users', { id }),

  byIds: async (db: Db, ids: readonly UserId[]): Promise<UserRow[]> =>
    ids.length === 0 ? [] : await seals.load(db, 'users', { id: ids }),

  byKey: (db: Db, username_key: string): Promise<UserRow | null> => seals.loadOne(db, 'users', { username_key }),

  bySubject: (db: Db, issuer: string, subject: string): Promise<UserRow | null> =>
    seals.loadOne(db, 'users', { issuer, subject }),

  lock: (tx: Tx, id: UserId): Promise<UserRow | null> => seals.loadOne(tx, 'users', { id }, { lock: 'update' }),

  /** Nobody disables or erases the user before this transaction ends. */
  lockShared: (tx: Tx, id: UserId): Promise<UserRow | null> => seals.loadOne(tx, 'users', { id }, { lock: 'share' }),

  activeAdmins: (db: Db): Promise<UserRow[]> => seals.load(db, 'users', { role: 'admin', status: 'active' }),

  /** Those of these users that a list may show, in the order of ids. */
  listed: async (db: Db, ids: readonly UserId[], all: boolean): Promise<UserRow[]> =>
    ids.length === 0
      ? []
      : await seals.load(
          db,
          'users',
          { id: ids, status: all ? ['active', 'disabled'] : ['active'] },
          { orderBy: sql`id` },
        ),
});

/** Ids of one row more than the page, oldest first; without `all`, of active users only. */
export const pageOfIds = async (db: Db, key: string | null, page: Page, all: boolean): Promise<UserId[]> => {
  let query = db
    .selectFrom('users')
    .select('id')
    .where('status', '<>', 'erased')
    .orderBy('id')
    .limit(page.limit + 1);
  if (!all) query = query.where('status', '=', 'active');
  if (key !== null) query = query.where('username_key', 'like', likePrefix(key));
  if (page.cursor !== null) query = query.where('id', '>', page.cursor);
  return idsOf((await query.execute()).map((row) => row.id));
};

export const anyUser = async (db: Db): Promise<boolean> =>
  (await db.selectFrom('users').select('id').limit(1).execute()).length > 0;

const likePrefix = (text: string): string => `${text.replaceAll(/[\\%_]/g, (mark) => `\\${mark}`)}%`;
