import { isSessionActive, type Standing } from '../access/index.ts';
import type { Clock } from '../core/clock.ts';
import { isUuid, type SessionId, toId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { SessionRow } from '../db/tables.ts';
import type { Seals } from '../keys/index.ts';
import { participant, sessionById, sessionsByExternalId } from './queries.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly standing: Standing;
}

export interface Finding {
  /** True for the session's owner and for who is present in it, by intact rows. */
  mayLook(db: Db, userId: UserId, row: SessionRow): Promise<boolean>;
  /** The session that a name means to this user: by our id, or by the platform's own among those they may look at. */
  find(db: Db, userId: UserId, name: string): Promise<SessionRow | null>;
  /** As `find`, and active, and the user present: the only maker of a `VerifiedSessionId`. */
  verify(db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
}

export const createFinding = ({ clock, seals, standing }: Deps): Finding => {
  const mayLook: Finding['mayLook'] = async (db, userId, row) => {
    if (!seals.holds('sessions', row)) return false;
    if (row.owner_id === userId) return true;
    const own = await participant(db, row.id, userId);
    return own !== undefined && own.left_at === null && seals.holds('session_participants', own);
  };

  /** One's own first, then the one that is active; two strangers' sessions of one name are nobody's. */
  const byExternalId = async (db: Db, userId: UserId, name: string): Promise<SessionRow | null> => {
    const found = await sessionsByExternalId(db, name, userId);
    const rows = found.filter((row) => seals.holds('sessions', row));
    const own = rows.find((row) => row.owner_id === userId);
    if (own) return own;
    const now = clock.now();
    const active = rows.filter((row) => isSessionActive(row, now));
    const candidates = active.length > 0 ? active : rows;
    return candidates.length === 1 ? (candidates[0] ?? null) : null;
  };

  const byId = async (db: Db, name: string): Promise<SessionRow | null> =>
    isUuid(name) ? ((await sessionById(db, toId<SessionId>(name))) ?? null) : null;

  /** An id comes before an external id that is spelt like one: nobody can choose our ids. */
  const find: Finding['find'] = async (db, userId, name) => {
    const row = await byId(db, name);
    if (row && (await mayLook(db, userId, row))) return row;
    const named = await byExternalId(db, userId, name);
    return named && (await mayLook(db, userId, named)) ? named : null;
  };

  return {
    mayLook,
    find,
    verify: async (db, userId, name) => {
      const row = await find(db, userId, name);
      if (!row || (await standing.presence(db, userId, row.id)) === null) return null;
      return row.id as VerifiedSessionId;
    },
  };
};
