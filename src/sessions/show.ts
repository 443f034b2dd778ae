import { stateOf } from '../access/index.ts';
import type { UserId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import { integrityBroken } from '../keys/index.ts';
import type { Users } from '../users/index.ts';
import type { SessionQueries } from './queries.ts';
import { type InvitationView, invitationOf, inviterOf, type SessionView, viewOf } from './session.ts';

interface Deps {
  readonly now: Now;
  readonly queries: Pick<SessionQueries, 'participantsOf'>;
  readonly users: Pick<Users, 'cards'>;
}

/** A session with the row of the user who was invited to it. */
export interface Invited {
  readonly session: SessionRow;
  readonly row: ParticipantRow;
}

export type Show = ReturnType<typeof createShow>;

/** Shows sessions and invitations. The caller has checked that they may be seen. */
export const createShow = ({ now, queries, users }: Deps) => {
  const cardsOf = (db: Db, ids: readonly UserId[]) => users.cards(db, [...new Set(ids)]);

  /** The sessions with their participants, as the viewer sees them. Who has left is shown to the session's owner only. */
  const all = async (db: Db, rows: readonly SessionRow[], viewer: UserId): Promise<SessionView[]> => {
    const ids = rows.map((row) => row.id);
    const participants = await queries.participantsOf(db, ids);
    const cards = await cardsOf(
      db,
      participants.map((row) => row.user_id),
    );
    const time = await now(db);
    const shownIn = (session: SessionRow) =>
      participants.filter(
        (one) =>
          one.session_id === session.id &&
          (stateOf(one) !== 'left' || (session.owner_id === viewer && cards.has(one.user_id))),
      );
    return rows.map((row) => viewOf(row, shownIn(row), cards, time));
  };

  const one = async (db: Db, row: SessionRow, viewer: UserId): Promise<SessionView> => {
    const [view] = await all(db, [row], viewer);
    if (!view) throw integrityBroken();
    return view;
  };

  const invitations = async (db: Db, invited: readonly Invited[]): Promise<InvitationView[]> => {
    const inviters = invited.map(({ session, row }) => inviterOf(session, row));
    const cards = await cardsOf(db, inviters);
    const time = await now(db);
    return invited.map(({ session, row }) => invitationOf(session, row, cards, time));
  };

  return { all, one, invitations };
};
