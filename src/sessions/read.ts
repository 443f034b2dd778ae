import { isPresent, isSessionActive } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { sessionNotJoined } from '../core/errors.ts';
import type { SessionId } from '../core/ids.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import { hasInvitation } from './joining.ts';
import type { SessionFilter, SessionQueries } from './queries.ts';
import { type Candidate, isInvited, type SessionResolver } from './resolve.ts';
import { type InvitationView, isBoundElsewhere, type SessionView } from './session.ts';
import type { Invited, Show } from './show.ts';

interface Deps {
  readonly db: Db;
  readonly now: Now;
  readonly audit: Audit;
  readonly queries: SessionQueries;
  readonly resolver: SessionResolver;
  readonly show: Show;
}

export const createReads = ({ db, now, audit, queries, resolver, show }: Deps) => {
  const ownRows = (caller: Caller, sessions: readonly SessionRow[]): Promise<ParticipantRow[]> =>
    queries.rowsOf(
      db,
      [caller.userId],
      sessions.map((row) => row.id),
    );

  /** Those of these sessions that the caller owns or is present in, by verified rows. */
  const visibleOf = async (caller: Caller, rows: readonly SessionRow[]): Promise<SessionRow[]> => {
    const own = await ownRows(caller, rows);
    const joined = new Set(own.filter(isPresent).map((row) => row.session_id));
    return rows.filter((row) => row.owner_id === caller.userId || joined.has(row.id));
  };

  /** Those of these sessions that the caller has an invitation to, by verified rows. */
  const invitedOf = async (caller: Caller, rows: readonly SessionRow[]): Promise<Invited[]> => {
    const moment = await now(db);
    const own = await ownRows(caller, rows);
    return rows.flatMap((session) => {
      const row = own.find((one) => one.session_id === session.id);
      return row && hasInvitation(row) && isSessionActive(session, moment) ? [{ session, row }] : [];
    });
  };

  const find = async (caller: Caller, name: string): Promise<Candidate | null> => {
    const found = await mapDbErrors(resolver.find(db, caller, name));
    return found && !isBoundElsewhere(caller, found.session.id) ? found : null;
  };

  const refuse = async (caller: Caller): Promise<never> => {
    const refused = sessionNotJoined();
    await audit.recordAlone(db, caller, { action: 'session.refused', outcome: 'refused', reason: refused.code });
    throw refused;
  };

  /** A page of sessions that SQL chose, those of them that the verified rows allow. */
  const pageBy = async <Item>(
    caller: Caller,
    which: SessionFilter,
    page: Page,
    shown: (rows: readonly SessionRow[]) => Promise<Item[]>,
  ): Promise<Paged<Item>> => {
    const ids = await mapDbErrors(queries.pageOfIds(db, caller.userId, which, page));
    const { items, next_cursor } = pageOf(ids, page.limit, (id: SessionId) => id);
    const rows = await mapDbErrors(queries.byIds(db, items));
    return { items: await mapDbErrors(shown(rows.filter((row) => !isBoundElsewhere(caller, row.id)))), next_cursor };
  };

  const isListed = (row: SessionRow, which: SessionFilter, moment: Date): boolean =>
    which === 'all' || isSessionActive(row, moment) === (which === 'active');

  return {
    /** A session that the caller owns or is present in, ended ones included. Throws `session_not_joined` for any other. */
    get: async (caller: Caller, name: string): Promise<SessionView> => {
      const found = await find(caller, name);
      if (!found || !(found.own || found.present)) return await refuse(caller);
      return await mapDbErrors(show.one(db, found.session, caller.userId));
    },

    /** As `get`; of a session that the caller was invited to, the invitation. Looking at it does not join it. */
    getOrInvitation: async (caller: Caller, name: string): Promise<SessionView | InvitationView> => {
      const found = await find(caller, name);
      if (found && (found.own || found.present)) return await mapDbErrors(show.one(db, found.session, caller.userId));
      if (!found?.participant || !isInvited(found)) return await refuse(caller);
      const { session, participant: row } = found;
      const [invitation] = await mapDbErrors(show.invitations(db, [{ session, row }]));
      return invitation ?? (await refuse(caller));
    },

    /** A page of the sessions that the caller owns or is present in, newest first. */
    list: (caller: Caller, which: Exclude<SessionFilter, 'invited'>, page: Page): Promise<Paged<SessionView>> =>
      pageBy(caller, which, page, async (rows) => {
        const moment = await now(db);
        const visible = (await visibleOf(caller, rows)).filter((row) => isListed(row, which, moment));
        return await show.all(db, visible, caller.userId);
      }),

    /** A page of the caller's invitations that wait for an answer, by session, newest first. */
    invitations: (caller: Caller, page: Page): Promise<Paged<InvitationView>> =>
      pageBy(caller, 'invited', page, async (rows) => await show.invitations(db, await invitedOf(caller, rows))),
  };
};
