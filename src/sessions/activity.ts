import { sql } from 'kysely';
import { isSessionActive } from '../access/index.ts';
import type { Clock } from '../core/clock.ts';
import { hourMs } from '../core/durations.ts';
import { type Db, inTransaction } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import type { Seals } from '../keys/index.ts';
import type { SessionQueries } from './queries.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly queries: Pick<SessionQueries, 'lock'>;
}

export type NoteActivity = (session: SessionRow) => Promise<void>;

/** How exactly the time of the last activity is known: a session ends by idleness up to this much early. */
const exactMs = hourMs;

/**
 * Notes that a request named the session, at most once an hour, and only where the session can end by idleness. A session that
 * somebody else has locked is left for the next request.
 */
export const createNoteActivity = ({ db, clock, now, seals, queries }: Deps): NoteActivity => {
  const isNoted = ({ idle_after, last_active_at }: SessionRow): boolean =>
    idle_after === null || (last_active_at !== null && clock.now().getTime() - last_active_at.getTime() < exactMs);

  return async (session) => {
    if (isNoted(session)) return;
    await inTransaction(db, async (tx) => {
      const { rows } = await sql`select 1 from public.sessions where id = ${session.id} for update skip locked`.execute(
        tx,
      );
      const row = rows.length === 0 ? null : await queries.lock(tx, session.id);
      // One whose time came in between has ended.
      if (row && !isNoted(row) && isSessionActive(row, await now(tx)))
        await seals.update(tx, 'sessions', row, { last_active_at: clock.now() });
    });
  };
};
