import { sql } from 'kysely';
import type { LoginId, TokenId, UserId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { LoginRow, TokenRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

const maxListedLogins = 200;
const maxListedTokens = 1000;

/** The SQL of this domain on sealed rows, bound to the seals that verify what it reads. */
export type AuthQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => ({
  lockLogin: (tx: Tx, id: LoginId): Promise<LoginRow | null> => seals.loadOne(tx, 'logins', { id }, { lock: 'update' }),

  lockOwnLogin: (tx: Tx, user_id: UserId, id: LoginId): Promise<LoginRow | null> =>
    seals.loadOne(tx, 'logins', { id, user_id }, { lock: 'update' }),

  /** The user's logins that have not been ended, newest first; some may have expired. */
  openLogins: (db: Db, user_id: UserId): Promise<LoginRow[]> =>
    seals.load(db, 'logins', { user_id, ended_at: null }, { orderBy: sql`id desc`, limit: maxListedLogins }),

  token: (db: Db, user_id: UserId, id: TokenId): Promise<TokenRow | null> =>
    seals.loadOne(db, 'tokens', { id, user_id, revoked_at: null }),

  lockOwnToken: (tx: Tx, user_id: UserId, id: TokenId): Promise<TokenRow | null> =>
    seals.loadOne(tx, 'tokens', { id, user_id }, { lock: 'update' }),

  /** The user's tokens that are not revoked, newest first; some may have expired. */
  tokens: (db: Db, user_id: UserId): Promise<TokenRow[]> =>
    seals.load(db, 'tokens', { user_id, revoked_at: null }, { orderBy: sql`id desc`, limit: maxListedTokens }),
});

const minMsBetweenUses = 60_000;

/** Notes that a credential was used, to the minute. The time is shown only; it is not sealed and nothing rests on it. */
export const noteUse = async (
  db: Db,
  table: 'logins' | 'tokens',
  row: Pick<LoginRow | TokenRow, 'id' | 'last_used_at'>,
  now: Date,
): Promise<void> => {
  if (row.last_used_at !== null && now.getTime() - row.last_used_at.getTime() < minMsBetweenUses) return;
  await mapDbErrors(
    db
      .updateTable(table)
      .set({ last_used_at: now })
      .where('id', '=', row.id as never)
      .execute(),
  );
};
