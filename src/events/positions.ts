import { sql } from 'kysely';
import { type EventRowId, idsOf } from '../core/ids.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { EventRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

interface Deps {
  readonly db: Db;
  readonly seals: Seals;
  /** What else has to be written for events that now have their position, in the same transaction. */
  readonly fanOut: (tx: Tx, rows: readonly EventRow[]) => Promise<void>;
}

const batch = 500;

/**
 * Gives positions to committed events, a batch at a time; resolves to how many got one. One service does this at a time: the
 * lock of the one row of `event_log` is held until the positions are committed, so positions become visible in their order,
 * and a reader who has seen a position never meets a lower one later. An event is given its position after its own commit: one
 * whose transaction stays open for long comes late, and holds up nothing. Rows that are broken get a position and are told
 * to nobody.
 */
export const createPositions =
  ({ db, seals, fanOut }: Deps) =>
  async (): Promise<number> => {
    if (!(await isAnyWaiting(db))) return 0;
    return await inTransaction(db, async (tx) => {
      const last = await lockLog(tx);
      if (last === null) return 0;
      const { rows } = await sql<RawRow>`update public.events as e set position = ${last} + n.number
        from (select id, row_number() over (order by id) as number from (select id from public.events
          where position is null order by id limit ${sql.lit(batch)}) as waiting) as n
        where e.id = n.id returning e.*`.execute(tx);
      if (rows.length === 0) return 0;
      await sql`update public.event_log set last_position = ${last + rows.length}`.execute(tx);
      const intact = seals.verify('events', rows, { id: idsOf<EventRowId>(rows.map((row) => row['id'])) });
      await fanOut(
        tx,
        intact.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0)),
      );
      return rows.length;
    });
  };

/** Looked at first, so that a service at rest writes and locks nothing. */
const isAnyWaiting = async (db: Db): Promise<boolean> =>
  (await sql`select 1 from public.events where position is null limit 1`.execute(db)).rows.length > 0;

/** The last position that was given; null while another service gives positions. */
const lockLog = async (tx: Tx): Promise<number | null> => {
  await sql`insert into public.event_log values (1, 0, 0) on conflict do nothing`.execute(tx);
  const { rows } = await sql<{ last_position: string | number }>`select last_position from public.event_log
    for update skip locked`.execute(tx);
  return rows[0] ? Number(rows[0].last_position) : null;
};
