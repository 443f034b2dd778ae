import { sql } from 'kysely';
import { dayMs } from '../core/durations.ts';
import type { Sweep } from '../core/sweep.ts';
import type { Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { Seals } from '../keys/index.ts';

/**
 * Deletes events that happened before `before`, `limit` of them at most, and resolves to how many. It goes by position and
 * stops at the first event that is to be kept, so that everything up to `trimmed_position` is gone and everything after it is
 * there. Broken rows are told to nobody, and keep nothing from being deleted.
 */
export const createTrimEvents =
  (seals: Pick<Seals, 'isIntact'>) =>
  async (tx: Tx, before: Date, limit: number): Promise<number> => {
    // The lock of the one who gives positions, which nobody who trims may overtake.
    await sql`select 1 from public.event_log for update`.execute(tx);
    const { rows } = await sql<RawRow>`select * from public.events where position is not null
      order by position limit ${sql.lit(limit)} for update`.execute(tx);
    const keep = rows.findIndex((row) => !isBefore(row, before) && seals.isIntact('events', row));
    const old = keep === -1 ? rows : rows.slice(0, keep);
    const last = old.at(-1)?.['position'];
    if (last === undefined) return 0;
    await sql`delete from public.events where id = any(${old.map((row) => row['id'])}::uuid[])`.execute(tx);
    await sql`update public.event_log set trimmed_position = ${last}`.execute(tx);
    return old.length;
  };

const keptMs = 30 * dayMs;

/** Deletes events that people could read for 30 days. */
export const eventSweep = (seals: Pick<Seals, 'isIntact'>): Sweep<Tx> => {
  const trim = createTrimEvents(seals);
  return {
    name: 'events',
    isFinal: true,
    step: async (tx, now, _after, limit) => {
      const done = await trim(tx, new Date(now.getTime() - keptMs), limit);
      return { done, after: done < limit ? null : 'more' };
    },
  };
};

const isBefore = (row: RawRow, before: Date): boolean =>
  row['created_at'] instanceof Date && row['created_at'].getTime() < before.getTime();
