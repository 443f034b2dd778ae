import { sql } from 'kysely';
import { idsOf, type SessionId, type UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import { readTogether } from '../db/json-rows.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** A session with the user's own participant row, as one statement saw them. */
export interface NamedSession {
  readonly session: SessionRow;
  readonly participant: ParticipantRow | null;
  readonly dbNow: Date;
}

/** All SQL of this domain, bound to the seals that verify what it reads. */
export type SessionQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => ({
  byId: (db: Db, id: SessionId): Promise<SessionRow | null> => seals.loadOne(db, 'sessions', { id }),

  lock: (tx: Tx, id: SessionId): Promise<SessionRow | null> =>
    seals.loadOne(tx, 'sessions', { id }, { lock: 'update' }),

  /** The session of this id, and those of this external id that the user owns or has ever been in; a handful at most. */
  named: async (db: Db, userId: UserId, externalId: string, id: SessionId | null): Promise<NamedSession[]> => {
    const { dbNow, rows } = await readTogether(
      db,
      sql`with s as (select * from public.sessions as c where c.id = ${id}::uuid or (c.external_id = ${externalId}
          and (c.owner_id = ${userId} or exists (select 1 from public.session_participants as q
            where q.session_id = c.id and q.user_id = ${userId})))),
        p as (select * from public.session_participants where user_id = ${userId}
          and session_id = any(array(select id from s)))`,
      {
        sessions: { of: 'sessions', select: sql`select * from s` },
        participants: { of: 'session_participants', select: sql`select * from p` },
      },
    );
    const byExternalId = seals.verify('sessions', rows.sessions, { external_id: externalId });
    const byOwnId = id === null ? [] : seals.verify('sessions', rows.sessions, { id });
    const sessions = new Map([...byOwnId, ...byExternalId].map((session) => [session.id, session]));
    const key = { user_id: userId, session_id: [...sessions.keys()] };
    const participants = seals.verify('session_participants', rows.participants, key);
    const participantIn = new Map(participants.map((row) => [row.session_id, row]));
    const named = [...sessions.values()].map((session) => {
      const participant = participantIn.get(session.id) ?? null;
      return { session, participant, dbNow };
    });
    return named.filter(
      ({ session, participant }) => session.id === id || session.owner_id === userId || participant !== null,
    );
  },

  /** The participants who are present in these sessions, in the order in which they joined. */
  presentIn: async (db: Db, ids: readonly SessionId[]): Promise<ParticipantRow[]> =>
    ids.length === 0
      ? []
      : await seals.load(db, 'session_participants', { session_id: ids, left_at: null }, { orderBy: sql`joined_at` }),

  lockParticipant: (tx: Tx, session_id: SessionId, user_id: UserId) =>
    seals.find(tx, 'session_participants', { session_id, user_id }, { lock: 'update' }),

  /** Those of these sessions that are intact, newest first. */
  byIds: async (db: Db, ids: readonly SessionId[]): Promise<SessionRow[]> =>
    ids.length === 0 ? [] : await seals.load(db, 'sessions', { id: ids }, { orderBy: sql`id desc` }),

  /** The user's participations in these sessions that have not ended, locked. */
  lockPresences: (tx: Tx, user_id: UserId, ids: readonly SessionId[]): Promise<ParticipantRow[]> =>
    seals.load(
      tx,
      'session_participants',
      { user_id, session_id: ids, left_at: null },
      { orderBy: sql`session_id`, lock: 'update' },
    ),

  /** Those of these sessions that the user owns, locked. */
  lockOwned: (tx: Tx, owner_id: UserId, ids: readonly SessionId[]): Promise<SessionRow[]> =>
    seals.load(tx, 'sessions', { owner_id, id: ids }, { orderBy: sql`id`, lock: 'update' }),

  /**
   * Ids of one row more than the page: sessions that the user owns or is present in, newest first. They only choose the
   * rows of the page; the caller loads these and checks whose they are.
   */
  pageOfIds: async (db: Db, userId: UserId, page: Page): Promise<SessionId[]> => {
    let query = db
      .selectFrom('sessions')
      .select('sessions.id')
      .leftJoin('session_participants as p', (join) =>
        join.onRef('p.session_id', '=', 'sessions.id').on('p.user_id', '=', userId),
      )
      .where((eb) =>
        eb.or([
          eb('sessions.owner_id', '=', userId),
          eb.and([eb('p.user_id', 'is not', null), eb('p.left_at', 'is', null)]),
        ]),
      )
      .orderBy('sessions.id', 'desc')
      .limit(page.limit + 1);
    if (page.cursor !== null) query = query.where('sessions.id', '<', page.cursor);
    const rows = await query.execute();
    return idsOf(rows.map((row) => row.id));
  },
});
