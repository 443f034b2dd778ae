import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { idsOf, nilId, type SecretId, type SessionId, type UserId } from '../core/ids.ts';
import { afterIds, type Purge } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import { lockRows } from '../db/lock-rows.ts';
import type { SecretRow } from '../db/tables/index.ts';
import { notWritten, type Seals } from '../keys/index.ts';
import { lockSharedWith } from './queries.ts';
import { unshareWith } from './secret.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
}

/** Versions that are deleted for each secret of a batch, on average. A batch stays bounded however many there are. */
const versionsForEach = 4;

const sharedWith = (userId: UserId) => sql`scope = 'shared' and shared_with @> ${JSON.stringify([userId])}::jsonb`;

const chosen = async (db: Db, from: ReturnType<typeof sql>): Promise<SecretId[]> =>
  idsOf<SecretId>(
    (await sql<{ id: unknown }>`select id from public.secrets where ${from}`.execute(db)).rows.map((row) => row.id),
  );

/** What a user who is being erased leaves among secrets. */
export const createErasing = ({ clock, seals }: Deps) => {
  /** Takes the user off secrets that others shared with them. Rows that are broken are passed by. */
  const purgeShares: Purge<Tx, UserId> = async (tx, userId, { after, limit, locked }) => {
    const where = sql`${sharedWith(userId)} and id > ${after ?? nilId}`;
    const choice = { table: 'secrets', column: 'id', where, orderBy: sql`id`, limit } as const;
    const { chosen: taken, skipped } = await lockRows(tx, choice, locked);
    const ids = idsOf<SecretId>(taken);
    const shared = ids.length === 0 ? [] : await lockSharedWith(seals, tx, userId, ids);
    for (const row of shared) {
      const changes = { ...unshareWith(row, userId), revision: row.revision + 1, updated_at: clock.now() };
      await seals.update(tx, 'secrets', row, changes);
    }
    const broken = ids.length - shared.length;
    return { rows: shared.length, broken, counts: { shares: shared.length }, after: afterIds(ids, limit), skipped };
  };

  /**
   * Deletes the user's secrets and their older versions, broken rows included. A batch that has too many versions deletes only
   * these, and the next one goes on. Throws `unavailable` where the database keeps a row that it was told to delete.
   */
  const purgeOwned: Purge<Tx, UserId> = async (tx, owner, { limit }) => {
    const ids = await chosen(
      tx,
      sql`owner_id = ${owner} order by owner_id desc, id limit ${sql.lit(limit)} for update`,
    );
    if (ids.length === 0) return { rows: 0, counts: { secrets: 0, versions: 0 }, after: null };
    const maxVersions = limit * versionsForEach;
    const versions = await sql`delete from public.secret_versions where ctid = any(array(select ctid
      from public.secret_versions where secret_id = any(${ids}::uuid[]) limit ${sql.lit(maxVersions)}))`.execute(tx);
    const deleted = Number(versions.numAffectedRows ?? 0);
    if (deleted === maxVersions) return { rows: deleted, counts: { secrets: 0, versions: deleted }, after: 'more' };
    await throwIfLeft(tx, 'secret_versions', sql`secret_id = any(${ids}::uuid[])`);
    const { numAffectedRows } = await sql`delete from public.secrets where id = any(${ids}::uuid[])
      and owner_id = ${owner}`.execute(tx);
    if (Number(numAffectedRows ?? 0) !== ids.length) throw notWritten('secrets');
    await throwIfLeft(tx, 'secrets', sql`id = any(${ids}::uuid[])`);
    const counts = { secrets: ids.length, versions: deleted };
    return { rows: ids.length + deleted, counts, after: ids.length < limit ? null : 'more' };
  };

  return {
    purgeShares,
    purgeOwned,

    /** How many secrets and older versions the user has, and how many secrets of others are shared with them. */
    countForErasing: async (db: Db, id: UserId): Promise<SecretCounts> => {
      const { rows } = await sql<SecretCounts>`select
        (select count(*) from public.secrets where owner_id = ${id}) as secrets,
        (select count(*) from public.secrets as s join public.secret_versions as v on v.secret_id = s.id
          where s.owner_id = ${id}) as versions,
        (select count(*) from public.secrets where owner_id = ${id} and scope = 'shared') as shared,
        (select count(*) from public.secrets where ${sharedWith(id)}) as shares`.execute(db);
      return rows[0] ?? { secrets: 0, versions: 0, shared: 0, shares: 0 };
    },

    /** Secrets of the user that others have through a share, `limit` of them at most, oldest first. */
    sharedByUser: async (db: Db, owner_id: UserId, limit: number): Promise<readonly SecretRow[]> => {
      const ids = await chosen(
        db,
        sql`owner_id = ${owner_id} and scope = 'shared' order by owner_id desc, id limit ${sql.lit(limit)}`,
      );
      if (ids.length === 0) return [];
      const options = { orderBy: sql`id`, except: ['encrypted_value'] as const };
      return await seals.load(db, 'secrets', { id: ids, owner_id, scope: 'shared' }, options);
    },

    /** How many secrets lie in these sessions, by session and owner. */
    countInSessions: async (db: Db, ids: readonly SessionId[]): Promise<readonly SecretsInSession[]> => {
      if (ids.length === 0) return [];
      const { rows } = await sql<SecretsInSession>`select session_id, owner_id, count(*) as secrets from public.secrets
        where scope = 'session' and session_id = any(${ids}::text[]) and deleted_at is null
        group by session_id, owner_id`.execute(db);
      return rows;
    },
  };
};

export interface SecretCounts {
  readonly secrets: number;
  readonly versions: number;
  /** Of the secrets, those that are shared with others. */
  readonly shared: number;
  readonly shares: number;
}

export interface SecretsInSession {
  readonly session_id: string;
  readonly owner_id: UserId;
  readonly secrets: number;
}

const throwIfLeft = async (
  tx: Tx,
  table: 'secrets' | 'secret_versions',
  where: ReturnType<typeof sql>,
): Promise<void> => {
  const { rows } = await sql`select 1 from ${sql.table(`public.${table}`)} where ${where} limit 1`.execute(tx);
  if (rows.length > 0) throw notWritten(table);
};
