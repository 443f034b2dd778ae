import { sql } from 'kysely';
import { idsOf, nilId, type SessionId, type UserId } from '../core/ids.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { EventRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** How far events were given positions, and up to which they are gone. */
export interface LogState {
  readonly last: number;
  readonly trimmed: number;
}

/** What rows of a span of positions hold for some users, and up to where the span was read. */
export interface Span {
  readonly rows: readonly EventRow[];
  readonly upTo: number;
  /** True where more of the span is left. */
  readonly more: boolean;
}

export interface NoticeFilter {
  readonly since: Date;
  /** Only what happened in this session; null for everything. */
  readonly within: SessionId | null;
  /** Only what comes after this position. */
  readonly after: number;
  /** The cursor is the id of an event. */
  readonly page: Page;
}

/** All SQL of this domain, bound to the seals that verify what it reads. */
export type NoticeQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => {
  return {
    /** The position of an event that the user was told of; null for any other. */
    positionOf: async (db: Db, user_id: UserId, event_id: string): Promise<number | null> =>
      (await seals.loadOne(db, 'events', { user_id, event_id }))?.position ?? null,

    log: async (db: Db): Promise<LogState> => {
      const { rows } = await sql<LogState>`select last_position as last, trimmed_position as trimmed
        from public.event_log`.execute(db);
      return rows[0] ?? { last: 0, trimmed: 0 };
    },

    /** What these users are told of in (from, to], in the order of positions. */
    span: async (db: Db, users: readonly UserId[], from: number, to: number, limit: number): Promise<Span> => {
      const { rows } = await sql<RawRow>`select * from public.events where user_id = any(${users}::uuid[])
        and position > ${from} and position <= ${to} order by position limit ${sql.lit(limit)}`.execute(db);
      const intact = seals.verify('events', rows, { user_id: users });
      const more = rows.length === limit;
      return { rows: intact, upTo: more ? Number(rows.at(-1)?.['position']) : to, more };
    },

    /** The position of the newest event that the user was told of, up to `last`; 0 where there is none. */
    newestOf: async (db: Db, user: UserId, last: number): Promise<number> => {
      const { rows } = await sql<{ newest: number | null }>`select max(position) as newest from public.events
        where user_id = ${user} and position <= ${last}`.execute(db);
      return rows[0]?.newest ?? 0;
    },

    /** A page of what the user was told of that others did, or agents; newest first. Broken rows are left out of it. */
    notices: async (
      db: Db,
      user_id: UserId,
      { since, within, after, page }: NoticeFilter,
    ): Promise<Paged<EventRow>> => {
      const earlier =
        page.cursor === null
          ? sql``
          : sql`and position < (select min(b.position) from public.events as b
              where b.user_id = ${user_id} and b.event_id = ${page.cursor})`;
      const { rows } = await sql<RawRow>`select * from public.events where user_id = ${user_id}
        and position > ${after} and created_at > ${since} ${within === null ? sql`` : sql`and session_id = ${within}`}
        and (actor_id is distinct from ${user_id}::uuid or agent is not null) ${earlier}
        order by position desc limit ${sql.lit(page.limit + 1)}`.execute(db);
      const { items, next_cursor } = pageOf(rows, page.limit, (row) => String(row['event_id']));
      const isNotice = (row: EventRow): boolean =>
        row.created_at > since && (row.actor_id !== user_id || row.agent !== null);
      return { items: seals.verify('events', items, { user_id }).filter(isNotice), next_cursor };
    },

    /** Up to which position the user has read. It only says what is shown as unread, and is not sealed. */
    mark: async (db: Db, user: UserId): Promise<number> => {
      const { rows } = await sql<{ position: number }>`select position from public.notice_marks
        where user_id = ${user}`.execute(db);
      return rows[0]?.position ?? 0;
    },

    /** Moves the mark forward; it never goes back. */
    moveMark: async (db: Db, user: UserId, position: number): Promise<void> => {
      await sql`insert into public.notice_marks as m (user_id, position) values (${user}, ${position})
        on conflict (user_id) do update set position = greatest(m.position, excluded.position)`.execute(db);
    },

    /** The id of the latest restore of this database, or the nil UUID. */
    epoch: async (db: Db): Promise<string> => {
      const { rows } = await sql<RawRow>`select * from public.restores order by restored_at desc`.execute(db);
      const latest = rows.find((row) => seals.isIntact('restores', row));
      return idsOf<string>([latest?.['id']])[0] ?? nilId;
    },
  };
};
