import { sql } from 'kysely';
import type { UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import type { LoginRow, TokenRow, UserRow } from '../db/tables/index.ts';

/** All SQL of this domain. Rows come unverified: whoever decides by one asks for its seal first. */

export const userById = (db: Db, id: UserId): Promise<UserRow | undefined> =>
  db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();

export const usersByIds = async (db: Db, ids: readonly UserId[]): Promise<UserRow[]> =>
  ids.length === 0 ? [] : await db.selectFrom('users').selectAll().where('id', 'in', ids).execute();

export const userByKey = (db: Db, key: string): Promise<UserRow | undefined> =>
  db.selectFrom('users').selectAll().where('username_key', '=', key).executeTakeFirst();

export const userBySubject = (db: Db, issuer: string, subject: string): Promise<UserRow | undefined> =>
  db.selectFrom('users').selectAll().where('issuer', '=', issuer).where('subject', '=', subject).executeTakeFirst();

export const lockUser = (tx: Tx, id: UserId): Promise<UserRow | undefined> =>
  tx.selectFrom('users').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();

/** Holds a user as they are: nobody disables or erases them before this transaction ends. */
export const holdUser = (tx: Tx, id: UserId): Promise<UserRow | undefined> =>
  tx.selectFrom('users').selectAll().where('id', '=', id).forShare().executeTakeFirst();

/** One lock for every change that could leave no administrator. */
export const lockAdministration = async (tx: Tx): Promise<void> => {
  await sql`select pg_advisory_xact_lock(7403117206)`.execute(tx);
};

export const activeAdmins = (db: Db): Promise<UserRow[]> =>
  db.selectFrom('users').selectAll().where('role', '=', 'admin').where('status', '=', 'active').execute();

export const anyUser = async (db: Db): Promise<boolean> =>
  (await db.selectFrom('users').select('id').limit(1).execute()).length > 0;

const likePrefix = (text: string): string => `${text.replaceAll(/[\\%_]/g, (mark) => `\\${mark}`)}%`;

/** One row more than the page, in the order of ids, newest last; without `all`, active users only. */
export const listUsers = (db: Db, key: string | null, page: Page, all: boolean): Promise<UserRow[]> => {
  let query = db
    .selectFrom('users')
    .selectAll()
    .where('status', '<>', 'erased')
    .orderBy('id')
    .limit(page.limit + 1);
  if (!all) query = query.where('status', '=', 'active');
  if (key !== null) query = query.where('username_key', 'like', likePrefix(key));
  if (page.cursor !== null) query = query.where('id', '>', page.cursor as UserId);
  return query.execute();
};

/** Everything by which a user gets in, and the keys of their values. */
export const deleteCredentials = async (tx: Tx, id: UserId): Promise<void> => {
  await tx.deleteFrom('logins').where('user_id', '=', id).execute();
  await tx.deleteFrom('tokens').where('user_id', '=', id).execute();
  await tx.deleteFrom('idempotency_keys').where('user_id', '=', id).execute();
  await tx.deleteFrom('owner_keys').where('owner_id', '=', id).execute();
};

/** Logins that have not ended, of a moment or later (null: all), locked. */
export const lockLogins = (tx: Tx, userId: UserId, since: Date | null): Promise<LoginRow[]> => {
  const query = tx.selectFrom('logins').selectAll().where('user_id', '=', userId).where('ended_at', 'is', null);
  return (since === null ? query : query.where('created_at', '>=', since)).orderBy('id').forUpdate().execute();
};

/** Tokens that are not revoked, of a moment or later, locked. */
export const lockTokens = (tx: Tx, userId: UserId, since: Date): Promise<TokenRow[]> =>
  tx
    .selectFrom('tokens')
    .selectAll()
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .where('created_at', '>=', since)
    .orderBy('id')
    .forUpdate()
    .execute();
