import { isPresent, isSessionActive } from '../access/index.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import { hasInvitation } from './joining.ts';
import type { SessionQueries } from './queries.ts';

/** A user and a session; null where there is none to ask about. */
export interface SessionQuestion {
  readonly userId: UserId;
  readonly sessionId: SessionId | null;
}

interface Deps {
  readonly now: Now;
  readonly queries: Pick<SessionQueries, 'byIds' | 'rowsOf'>;
}

/** What is asked about many users and sessions together, each answer at the place of its question. */
export const createKnown = ({ now, queries }: Deps) => {
  const idsIn = (questions: readonly SessionQuestion[]): SessionId[] => [
    ...new Set(questions.flatMap(({ sessionId }) => sessionId ?? [])),
  ];

  /** The pairs of session and user in question whose row is as it has to be; the others in these sessions are not read. */
  const keysWhere = async (
    db: Db,
    questions: readonly SessionQuestion[],
    holds: (row: ParticipantRow) => boolean,
  ): Promise<ReadonlySet<string>> => {
    const users = [...new Set(questions.map(({ userId }) => userId))];
    const rows = await queries.rowsOf(db, users, idsIn(questions));
    return new Set(rows.filter(holds).map((row) => keyOf(row.session_id, row.user_id)));
  };

  return {
    /** The session, verified, where it is active and the user is present in it; else null. */
    presences: async (
      db: Db,
      questions: readonly SessionQuestion[],
    ): Promise<readonly (VerifiedSessionId | null)[]> => {
      const ids = idsIn(questions);
      if (ids.length === 0) return questions.map(() => null);
      const time = await now(db);
      const rows = await queries.byIds(db, ids);
      const active = new Set(rows.filter((row) => isSessionActive(row, time)).map((row) => row.id));
      const present = await keysWhere(db, questions, isPresent);
      return questions.map(({ userId, sessionId }) =>
        sessionId !== null && active.has(sessionId) && present.has(keyOf(sessionId, userId))
          ? (sessionId as VerifiedSessionId)
          : null,
      );
    },

    /** The title of the session, where the user owns it, is present in it or, while it is active, has an invitation to it; else null. */
    knownTitles: async (
      db: Db,
      questions: readonly SessionQuestion[],
    ): Promise<readonly ({ readonly title: string | null } | null)[]> => {
      const ids = idsIn(questions);
      if (ids.length === 0) return questions.map(() => null);
      const rows = new Map((await queries.byIds(db, ids)).map((row) => [row.id, row]));
      const time = await now(db);
      const known = await keysWhere(
        db,
        questions,
        (row) => isPresent(row) || isInvited(row, rows.get(row.session_id), time),
      );
      return questions.map(({ userId, sessionId }) => {
        const row = sessionId === null ? undefined : rows.get(sessionId);
        if (row === undefined || sessionId === null) return null;
        return row.owner_id === userId || known.has(keyOf(sessionId, userId)) ? { title: row.title } : null;
      });
    },
  };
};

const isInvited = (row: ParticipantRow, session: SessionRow | undefined, time: Date): boolean =>
  session !== undefined && isSessionActive(session, time) && hasInvitation(row);

const keyOf = (session: SessionId, user: UserId): string => `${session} ${user}`;
