import type { Db } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import { integrityBroken } from '../keys/index.ts';
import type { Users } from '../users/index.ts';
import type { SessionQueries } from './queries.ts';
import { type SessionView, viewOf } from './session.ts';

interface Deps {
  readonly now: Now;
  readonly queries: Pick<SessionQueries, 'presentIn'>;
  readonly users: Pick<Users, 'cards'>;
}

export type Show = ReturnType<typeof createShow>;

/** Shows sessions with their participants. The caller has checked that they may be seen. */
export const createShow = ({ now, queries, users }: Deps) => {
  const all = async (db: Db, rows: readonly SessionRow[]): Promise<SessionView[]> => {
    const ids = rows.map((row) => row.id);
    const participants = await queries.presentIn(db, ids);
    const cards = await users.cards(db, [...new Set(participants.map((row) => row.user_id))]);
    const time = await now(db);
    const presentIn = (row: SessionRow) => participants.filter((one) => one.session_id === row.id);
    return rows.map((row) => viewOf(row, presentIn(row), cards, time));
  };

  const one = async (db: Db, row: SessionRow): Promise<SessionView> => {
    const [view] = await all(db, [row]);
    if (!view) throw integrityBroken();
    return view;
  };

  return { all, one };
};
