import { sql } from 'kysely';
import { type EventRowId, idsOf, type UserId } from '../core/ids.ts';
import type { Purge } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import { notWritten, type Seals } from '../keys/index.ts';

/** What an erased user leaves among events: what they were told, and how far they had read it. */
export const createEventErasing = (seals: Seals) => {
  /**
   * An event that has no position yet is still to be delivered to the service's own webhooks. Its leading row stays until
   * then, and names the user no more. A row that is broken is deleted.
   */
  const forget = async (tx: Tx, user_id: UserId, ids: readonly EventRowId[]): Promise<readonly EventRowId[]> => {
    const asked = { id: ids, user_id, lead: true } as const;
    const narrow = { sql: sql`position is null`, holds: () => true };
    const rows = await seals.load(tx, 'events', asked, { narrow });
    await seals.updateAll(
      tx,
      'events',
      rows.map((row) => ({ row, changes: { user_id: null, details: {} } })),
    );
    return rows.map((row) => row.id);
  };

  const purge: Purge<Tx, UserId> = async (tx, userId, { limit }) => {
    const { rows } = await sql<{ id: unknown }>`select id from public.events where user_id = ${userId}
      order by id limit ${sql.lit(limit)} for update`.execute(tx);
    const ids = idsOf<EventRowId>(rows.map((row) => row.id));
    const kept = new Set(ids.length === 0 ? [] : await forget(tx, userId, ids));
    const gone = ids.filter((id) => !kept.has(id));
    const { numAffectedRows } = await sql`delete from public.events where id = any(${gone}::uuid[])`.execute(tx);
    if (Number(numAffectedRows ?? 0) !== gone.length) throw notWritten('events');
    if (ids.length === limit) return { rows: ids.length, counts: {}, after: 'more' };
    await sql`delete from public.notice_marks where user_id = ${userId}`.execute(tx);
    const left = await sql`select 1 from public.events where user_id = ${userId} limit 1`.execute(tx);
    if (left.rows.length > 0) throw notWritten('events');
    return { rows: ids.length, counts: {}, after: null };
  };

  return {
    /** Deletes what the user was told, in batches. */
    purge,
    /** How many events the user was told of. */
    count: async (db: Db, userId: UserId): Promise<number> => {
      const { rows } = await sql<{ events: number }>`select count(*) as events from public.events
        where user_id = ${userId}`.execute(db);
      return rows[0]?.events ?? 0;
    },
  };
};

export type EventErasing = ReturnType<typeof createEventErasing>;
