import { sql } from 'kysely';
import { type HandoverId, idsOf, nilId, type UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import { afterIds, type Purge } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import type { HandoverRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

export type HandoverQueries = ReturnType<typeof createQueries>;

/** All SQL of this domain, bound to the seals that verify what it reads. */
export const createQueries = (seals: Seals) => ({
  byId: (db: Db, id: HandoverId): Promise<HandoverRow | null> => seals.loadOne(db, 'handovers', { id }),

  lock: (tx: Tx, id: HandoverId): Promise<HandoverRow | null> =>
    seals.loadOne(tx, 'handovers', { id }, { lock: 'update' }),

  byIds: (db: Db, ids: readonly HandoverId[]): Promise<HandoverRow[]> =>
    ids.length === 0 ? Promise.resolve([]) : seals.load(db, 'handovers', { id: ids }, { orderBy: sql`id desc` }),

  /** Ids of one row more than the page, newest first: those that name the user, and for administrators those of users. */
  pageOfIds: async (db: Db, userId: UserId, isAdmin: boolean, { limit, cursor }: Page): Promise<HandoverId[]> => {
    const { rows } = await sql<{ id: unknown }>`select id from public.handovers
      where (from_user = ${userId} or to_user = ${userId} or requested_by = ${userId} or (${isAdmin} and kind = 'user'))
        ${cursor === null ? sql`` : sql`and id < ${cursor}`}
      order by id desc limit ${sql.lit(limit + 1)}`.execute(db);
    return idsOf<HandoverId>(rows.map((row) => row.id));
  },

  /** Whether one is pending for this secret, or for everything of this user. */
  isPending: async (tx: Tx, about: Pick<HandoverRow, 'kind' | 'secret_id' | 'from_user'>): Promise<boolean> => {
    const asked =
      about.kind === 'secret'
        ? ({ secret_id: about.secret_id, state: 'pending' } as const)
        : ({ from_user: about.from_user, kind: 'user', state: 'pending' } as const);
    return (await seals.load(tx, 'handovers', asked)).length > 0;
  },

  /** Deletes what names an erased user, broken rows included: nobody can be given anything by them or for them. */
  purge: (async (tx, userId, { after, limit }) => {
    const { rows } = await sql<{ id: unknown }>`delete from public.handovers where id = any(array(
      select id from public.handovers where (from_user = ${userId} or to_user = ${userId} or requested_by = ${userId})
        and id > ${after ?? nilId} order by id limit ${sql.lit(limit)})) returning id`.execute(tx);
    const ids = idsOf<HandoverId>(rows.map((row) => row.id)).sort();
    return { rows: ids.length, counts: { handovers: ids.length }, after: afterIds(ids, limit) };
  }) satisfies Purge<Tx, UserId>,

  countOf: async (db: Db, userId: UserId): Promise<number> => {
    const { rows } = await sql<{ count: unknown }>`select count(*) as count from public.handovers
      where from_user = ${userId} or to_user = ${userId} or requested_by = ${userId}`.execute(db);
    return Number(rows[0]?.count ?? 0);
  },
});
