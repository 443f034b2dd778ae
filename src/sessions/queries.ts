import { sql } from 'kysely';
import type { SessionId, UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import { joinedColumns, joinedRow } from '../db/joined.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';

/** All SQL of this domain. Rows come unverified: whoever decides by one asks for its seal first. */

export const sessionById = (db: Db, id: SessionId): Promise<SessionRow | undefined> =>
  db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();

export const lockSession = (tx: Tx, id: SessionId): Promise<SessionRow | undefined> =>
  tx.selectFrom('sessions').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();

/** A session with the user's own place in it, as one statement saw them. */
export interface NamedSession {
  readonly session: SessionRow;
  readonly participant: ParticipantRow | null;
  readonly dbNow: Date;
}

type Joined = Record<string, unknown> & { db_now: Date };

/** The session of this id, and those of this external id that the user owns or has ever been in; a handful at most. */
export const sessionsNamed = async (
  db: Db,
  userId: UserId,
  externalId: string,
  id: string | null,
): Promise<NamedSession[]> => {
  const { rows } = await sql<Joined>`select ${joinedColumns('sessions', 's')},
    ${joinedColumns('session_participants', 'p')}, clock_timestamp() as db_now
    from sessions s left join session_participants p on p.session_id = s.id and p.user_id = ${userId}
    where s.id = ${id}::uuid or (s.external_id = ${externalId}
      and (s.owner_id = ${userId} or p.user_id is not null))`.execute(db);
  return rows.flatMap((row) => {
    const session = joinedRow(row, 'sessions', 's');
    return session ? [{ session, participant: joinedRow(row, 'session_participants', 'p'), dbNow: row.db_now }] : [];
  });
};

export const participantsOf = (db: Db, ids: readonly SessionId[]): Promise<ParticipantRow[]> =>
  ids.length === 0
    ? Promise.resolve([])
    : db
        .selectFrom('session_participants')
        .selectAll()
        .where('session_id', 'in', ids)
        .where('left_at', 'is', null)
        .orderBy('joined_at')
        .execute();

export const lockParticipant = (tx: Tx, sessionId: SessionId, userId: UserId): Promise<ParticipantRow | undefined> =>
  tx
    .selectFrom('session_participants')
    .selectAll()
    .where('session_id', '=', sessionId)
    .where('user_id', '=', userId)
    .forUpdate()
    .executeTakeFirst();

/** One row more than the page: sessions that the user owns or is present in, newest first. */
export const listSessions = (db: Db, userId: UserId, page: Page): Promise<SessionRow[]> => {
  let query = db
    .selectFrom('sessions')
    .selectAll('sessions')
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
  if (page.cursor !== null) query = query.where('sessions.id', '<', page.cursor as SessionId);
  return query.execute();
};

export const lockPresences = (tx: Tx, userId: UserId): Promise<ParticipantRow[]> =>
  tx
    .selectFrom('session_participants')
    .selectAll()
    .where('user_id', '=', userId)
    .where('left_at', 'is', null)
    .orderBy('session_id')
    .forUpdate()
    .execute();

export const lockOwned = (tx: Tx, ownerId: UserId): Promise<SessionRow[]> =>
  tx.selectFrom('sessions').selectAll().where('owner_id', '=', ownerId).orderBy('id').forUpdate().execute();
