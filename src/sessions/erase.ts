import { sql } from 'kysely';
import { presentCondition } from '../access/index.ts';
import { idsOf, nilId, type SessionId, type UserId } from '../core/ids.ts';
import { afterIds, type Purge } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import { lockRows } from '../db/lock-rows.ts';
import type { Now } from '../db/time.ts';
import type { Seals } from '../keys/index.ts';
import { endWithoutGrace } from './ending.ts';
import type { SessionQueries } from './queries.ts';

interface Deps {
  readonly now: Now;
  readonly seals: Seals;
  readonly queries: SessionQueries;
}

/** A running session of a user, and the others who are present in it. */
export interface RunningSession {
  readonly id: SessionId;
  readonly title: string | null;
  readonly participants: readonly UserId[];
}

/** Of a user's sessions, those that an erasure has to end or to empty. */
const isLeft = sql`(status = 'active' or title is not null or metadata <> '{}'::jsonb)`;

/** What a user who is being erased leaves in sessions. Rows that are broken are passed by. */
export const createErasing = ({ now, seals, queries }: Deps) => {
  /** Ends the user's sessions, and deletes what they wrote about these. */
  const purgeOwned: Purge<Tx, UserId> = async (tx, owner_id, { after, limit, locked }) => {
    const where = sql`owner_id = ${owner_id} and id > ${after ?? nilId} and ${isLeft}`;
    const choice = { table: 'sessions', column: 'id', where, orderBy: sql`owner_id, id`, limit } as const;
    const { chosen, skipped } = await lockRows(tx, choice, locked);
    const ids = idsOf<SessionId>(chosen);
    const moment = await now(tx);
    const owned = ids.length === 0 ? [] : await queries.lockOwned(tx, owner_id, ids);
    for (const row of owned) {
      // The others have their grace period, which begins when a sweep tells them of the end (due.ts).
      const over = row.status === 'active' ? endWithoutGrace(row, moment) : { updated_at: moment };
      await seals.update(tx, 'sessions', row, { ...over, title: null, metadata: {} });
    }
    const counts = { sessions: owned.filter((row) => row.status === 'active').length };
    const broken = ids.length - owned.length;
    return { rows: owned.length, broken, counts, after: afterIds(ids, limit), skipped };
  };

  /** Takes the user out of sessions, those included that they were only invited to. */
  const purgePresences: Purge<Tx, UserId> = async (tx, user_id, { after, limit, locked }) => {
    const where = sql`user_id = ${user_id} and session_id > ${after ?? nilId} and left_at is null`;
    const orderBy = sql`user_id, session_id`;
    const choice = { table: 'session_participants', column: 'session_id', where, orderBy, limit } as const;
    const { chosen, skipped } = await lockRows(tx, choice, locked);
    const ids = idsOf<SessionId>(chosen);
    const moment = await now(tx);
    const remaining = ids.length === 0 ? [] : await queries.lockRemaining(tx, user_id, ids);
    for (const row of remaining) await seals.update(tx, 'session_participants', row, { left_at: moment });
    const counts = { participations: remaining.length };
    const broken = ids.length - remaining.length;
    return { rows: remaining.length, broken, counts, after: afterIds(ids, limit), skipped };
  };

  return {
    purgeOwned,
    purgePresences,

    /** How many sessions of the user have to be ended or emptied, how many run, and in how many the user is present. */
    countForErasing: async (db: Db, id: UserId): Promise<SessionCounts> => {
      const { rows } = await sql<SessionCounts>`select
        (select count(*) from public.sessions where owner_id = ${id} and ${isLeft}) as owned,
        (select count(*) from public.sessions where owner_id = ${id} and status = 'active') as sessions,
        (select count(*) from public.session_participants where user_id = ${id} and left_at is null)
          as participations`.execute(db);
      return rows[0] ?? { owned: 0, sessions: 0, participations: 0 };
    },

    /** Running sessions of the user in which others are present, `limit` of them at most, oldest first. */
    runningWithOthers: async (db: Db, owner_id: UserId, limit: number): Promise<readonly RunningSession[]> => {
      const { rows } = await sql<{ id: unknown }>`select s.id from public.sessions as s where s.owner_id = ${owner_id}
        and s.status = 'active' and exists (select 1 from public.session_participants as p where p.session_id = s.id
          and p.user_id <> ${owner_id} and ${presentCondition('p')}) order by s.owner_id, s.id limit ${sql.lit(limit)}`.execute(
        db,
      );
      const found = await queries.byIds(db, idsOf<SessionId>(rows.map((row) => row.id)));
      const sessions = found.filter((row) => row.owner_id === owner_id && row.status === 'active').reverse();
      const present = await queries.presentIn(
        db,
        sessions.map((row) => row.id),
      );
      return sessions.map(({ id, title }) => ({
        id,
        title,
        participants: present.flatMap((row) =>
          row.session_id === id && row.user_id !== owner_id ? [row.user_id] : [],
        ),
      }));
    },
  };
};

export interface SessionCounts {
  readonly owned: number;
  readonly sessions: number;
  readonly participations: number;
}
