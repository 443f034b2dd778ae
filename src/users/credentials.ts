import { sql } from 'kysely';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { LoginId, UserId } from '../core/ids.ts';
import type { Purge } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import type { LoginRow, TokenRow } from '../db/tables/index.ts';
import { notWritten, type Seals } from '../keys/index.ts';

/** Which of a user's credentials. */
interface Which {
  readonly userId: UserId;
  /** Only those made then or later; left out, all. */
  readonly since?: Date;
}

/** How many credentials were ended. */
export interface Ended {
  readonly logins: number;
  readonly tokens: number;
}

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

export type UserCredentials = ReturnType<typeof createUserCredentials>;

/** What can be done to a user's logins and tokens from outside of them. */
export const createUserCredentials = ({ seals, clock }: Deps) => {
  /** Logins that have not ended, locked. */
  const lockLogins = (tx: Tx, { userId, since }: Which): Promise<LoginRow[]> =>
    seals.load(tx, 'logins', { user_id: userId, ended_at: null }, { ...madeSince(since), ...inOrder });

  /** Tokens that are not revoked, locked. */
  const lockTokens = (tx: Tx, { userId, since }: Which): Promise<TokenRow[]> =>
    seals.load(tx, 'tokens', { user_id: userId, revoked_at: null }, { ...madeSince(since), ...inOrder });

  /** Ends logins, except one; resolves to how many. */
  const endLogins = async (tx: Tx, which: Which & { readonly except?: LoginId | null }): Promise<number> => {
    const rows = (await lockLogins(tx, which)).filter((row) => row.id !== which.except);
    for (const row of rows) await seals.update(tx, 'logins', row, { ended_at: clock.now() });
    return rows.length;
  };

  /** Revokes tokens; resolves to how many. */
  const revokeTokens = async (tx: Tx, which: Which): Promise<number> => {
    const rows = await lockTokens(tx, which);
    for (const row of rows) await seals.update(tx, 'tokens', row, { revoked_at: clock.now() });
    return rows.length;
  };

  return {
    endLogins,
    revokeTokens,
    /** Ends every login and revokes every token of a user; resolves to how many of each. */
    endAll: async (tx: Tx, userId: UserId): Promise<Ended> => ({
      logins: await endLogins(tx, { userId }),
      tokens: await revokeTokens(tx, { userId }),
    }),
    /** Locks what `endAll` will end. */
    lock: async (tx: Tx, userId: UserId): Promise<void> => {
      await lockLogins(tx, { userId });
      await lockTokens(tx, { userId });
    },
  };
};

/** The login that the caller is using, or null. */
export const ownLogin = ({ credential }: Caller): LoginId | null =>
  credential.kind === 'login' ? credential.id : null;

/** Deletes a user's rows of one table, broken rows included. Throws `unavailable` if any is left that should not be. */
export const purgeCredentials =
  (table: 'logins' | 'tokens' | 'idempotency_keys', name: string | null): Purge<Tx, UserId> =>
  async (tx, userId, { limit }) => {
    const relation = sql.table(`public.${table}`);
    const { numAffectedRows } = await sql`delete from ${relation} where ctid = any(array(
      select ctid from ${relation} where user_id = ${userId} limit ${sql.lit(limit)}))`.execute(tx);
    const rows = Number(numAffectedRows ?? 0);
    const { rows: left } = await sql`select 1 from ${relation} where user_id = ${userId} limit 1`.execute(tx);
    if (left.length > 0 && rows < limit) throw notWritten(table);
    const counts = name === null ? {} : { [name]: rows };
    return { rows, counts, after: left.length > 0 ? 'more' : null };
  };

/** Deletes a user's owner keys, broken rows included. Throws `unavailable` if any is left. */
export const deleteKeys: Purge<Tx, UserId> = async (tx, userId) => {
  await sql`delete from public.owner_keys where owner_id = ${userId}`.execute(tx);
  const { rows: left } = await sql`select 1 from public.owner_keys where owner_id = ${userId} limit 1`.execute(tx);
  if (left.length > 0) throw notWritten('owner_keys');
  return { rows: 0, counts: {}, after: null };
};

/** How many logins and tokens a user has, those that ended included, and how many other rows go with them. */
export const countCredentials = async (db: Db, userId: UserId): Promise<CredentialCounts> => {
  const { rows } = await sql<CredentialCounts>`select
    (select count(*) from public.logins where user_id = ${userId}) as logins,
    (select count(*) from public.tokens where user_id = ${userId}) as tokens,
    (select count(*) from public.idempotency_keys where user_id = ${userId}) as repeats`.execute(db);
  return rows[0] ?? { logins: 0, tokens: 0, repeats: 0 };
};

interface CredentialCounts {
  readonly logins: number;
  readonly tokens: number;
  readonly repeats: number;
}

const inOrder = { orderBy: sql`id`, lock: 'update' } as const;

const madeSince = (since: Date | undefined) =>
  since === undefined
    ? {}
    : {
        narrow: {
          sql: sql`created_at >= ${since}`,
          holds: (row: { readonly created_at: Date }) => row.created_at.getTime() >= since.getTime(),
        },
      };
