import { type RawBuilder, sql } from 'kysely';
import { joinedCondition, present, presentCondition } from '../access/index.ts';
import { idsOf, type SessionId, type UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import { readTogether } from '../db/json-rows.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import { invitationCondition } from './joining.ts';

/** A session with the user's own participant row, as one statement saw them. */
export interface NamedSession {
  readonly session: SessionRow;
  readonly participant: ParticipantRow | null;
  readonly dbNow: Date;
}

/** Which sessions of a user are listed: `all` are those that they own or are present in. */
export type SessionFilter = 'all' | 'active' | 'ended' | 'invited';

/** Whose names of sessions are meant. */
export interface NamedBy {
  readonly userId: UserId;
  /** The external issuer in whose name space external ids lie; null where they are the user's own. */
  readonly issuer: string | null;
}

/** All SQL of this domain, bound to the seals that verify what it reads. */
export type SessionQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => ({
  byId: (db: Db, id: SessionId): Promise<SessionRow | null> => seals.loadOne(db, 'sessions', { id }),

  lock: (tx: Tx, id: SessionId): Promise<SessionRow | null> =>
    seals.loadOne(tx, 'sessions', { id }, { lock: 'update' }),

  /**
   * The session of this id, and those of this external id: in an issuer's name space the one of that issuer, else those
   * that the user owns or has ever joined. Others, who can invite the user to any number of sessions, add none to these.
   */
  named: async (
    db: Db,
    { userId, issuer }: NamedBy,
    externalId: string,
    id: SessionId | null,
  ): Promise<NamedSession[]> => {
    const theirs = sql`(c.owner_id = ${userId} or exists (select 1 from public.session_participants as q
      where q.session_id = c.id and q.user_id = ${userId} and ${joinedCondition('q')}))`;
    const { dbNow, rows } = await readTogether(
      db,
      sql`with s as (select * from public.sessions as c where c.id = ${id}::uuid or (c.external_id = ${externalId}
          and ${issuer === null ? theirs : sql`c.issuer = ${issuer}`})),
        p as (select * from public.session_participants where user_id = ${userId}
          and session_id = any(array(select id from s)))`,
      {
        sessions: { of: 'sessions', select: sql`select * from s` },
        participants: { of: 'session_participants', select: sql`select * from p` },
      },
    );
    const asked = { external_id: externalId, ...(issuer === null ? {} : { issuer }) };
    const byExternalId = seals.verify('sessions', rows.sessions, asked);
    const byOwnId = id === null ? [] : seals.verify('sessions', rows.sessions, { id });
    const sessions = new Map([...byOwnId, ...byExternalId].map((session) => [session.id, session]));
    const key = { user_id: userId, session_id: [...sessions.keys()] };
    const participants = seals.verify('session_participants', rows.participants, key);
    const participantIn = new Map(participants.map((row) => [row.session_id, row]));
    return [...sessions.values()].map((session) => {
      const participant = participantIn.get(session.id) ?? null;
      return { session, participant, dbNow };
    });
  },

  /** The participants who are present in these sessions, in the order in which they joined. */
  presentIn: async (db: Db, ids: readonly SessionId[]): Promise<ParticipantRow[]> =>
    ids.length === 0
      ? []
      : await seals.load(
          db,
          'session_participants',
          { session_id: ids, left_at: null },
          { narrow: present, orderBy: sql`joined_at` },
        ),

  /** Everybody who was ever invited to these sessions, in the order in which they joined. */
  participantsOf: async (db: Db, ids: readonly SessionId[]): Promise<ParticipantRow[]> =>
    ids.length === 0
      ? []
      : await seals.load(
          db,
          'session_participants',
          { session_id: ids },
          { orderBy: sql`joined_at, invited_at nulls first, user_id` },
        ),

  /** The rows of these users in these sessions. */
  rowsOf: async (db: Db, user_id: readonly UserId[], session_id: readonly SessionId[]): Promise<ParticipantRow[]> =>
    session_id.length === 0 ? [] : await seals.load(db, 'session_participants', { user_id, session_id }),

  /** The participants who are present in the session, locked, in the order in which they joined. */
  lockPresent: async (tx: Tx, session_id: SessionId): Promise<ParticipantRow[]> => {
    const asked = { session_id, left_at: null };
    const rows = await seals.load(tx, 'session_participants', asked, {
      narrow: present,
      orderBy: sql`user_id`,
      lock: 'update',
    });
    return rows.sort((a, b) => Number(a.joined_at) - Number(b.joined_at));
  },

  lockParticipant: (tx: Tx, session_id: SessionId, user_id: UserId) =>
    seals.find(tx, 'session_participants', { session_id, user_id }, { lock: 'update' }),

  /** Those of these sessions that are intact, newest first. */
  byIds: async (db: Db, ids: readonly SessionId[]): Promise<SessionRow[]> =>
    ids.length === 0 ? [] : await seals.load(db, 'sessions', { id: ids }, { orderBy: sql`id desc` }),

  /** The user's participations in these sessions that have not ended, invitations included, locked. */
  lockRemaining: (tx: Tx, user_id: UserId, ids: readonly SessionId[]): Promise<ParticipantRow[]> =>
    seals.load(
      tx,
      'session_participants',
      { user_id, session_id: ids, left_at: null },
      { orderBy: sql`session_id`, lock: 'update' },
    ),

  /** Those of these sessions that the user owns, locked. */
  lockOwned: (tx: Tx, owner_id: UserId, ids: readonly SessionId[]): Promise<SessionRow[]> =>
    seals.load(tx, 'sessions', { owner_id, id: ids }, { orderBy: sql`id`, lock: 'update' }),

  /** Of these users, those who own a session of this external id that lies in no issuer's name space. */
  ownersOf: async (db: Db, externalId: string, ids: readonly UserId[]): Promise<ReadonlySet<UserId>> => {
    const rows =
      ids.length === 0
        ? []
        : await seals.load(db, 'sessions', { owner_id: ids, external_id: externalId, issuer: null });
    return new Set(rows.map((row) => row.owner_id));
  },

  /**
   * Ids of one row more than the page, newest first: sessions that the user owns or is present in, or those that they have
   * an invitation to. They only choose the rows of the page; the caller loads these and checks whose they are.
   */
  pageOfIds: async (db: Db, userId: UserId, which: SessionFilter, page: Page): Promise<SessionId[]> => {
    const mine = sql`(s.owner_id = ${userId} or (p.user_id is not null and ${presentCondition('p')}))`;
    const active = sql`(s.status = 'active' and (s.expires_at is null or s.expires_at > statement_timestamp()))`;
    const conditions: Record<SessionFilter, RawBuilder<unknown>> = {
      all: mine,
      active: sql`${mine} and ${active}`,
      ended: sql`${mine} and not ${active}`,
      invited: sql`${active} and p.user_id is not null and ${invitationCondition('p')}`,
    };
    const { rows } = await sql<{
      id: unknown;
    }>`select s.id from public.sessions as s left join public.session_participants as p
      on p.session_id = s.id and p.user_id = ${userId} where ${conditions[which]}
      ${page.cursor === null ? sql`` : sql`and s.id < ${page.cursor}`} order by s.id desc limit ${page.limit + 1}`.execute(
      db,
    );
    return idsOf(rows.map((row) => row.id));
  },
});
