import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { sessionNotJoined } from '../core/errors.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { SessionQueries } from './queries.ts';
import type { SessionResolver } from './resolve.ts';
import { isBoundElsewhere, type SessionView } from './session.ts';
import type { Show } from './show.ts';

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly queries: SessionQueries;
  readonly resolver: SessionResolver;
  readonly show: Show;
}

export const createReads = ({ db, audit, queries, resolver, show }: Deps) => {
  /** Those of these sessions that the caller owns or is present in, by verified rows. */
  const visibleOf = async (caller: Caller, rows: readonly SessionRow[]): Promise<SessionRow[]> => {
    const ids = rows.map((row) => row.id);
    const present = await queries.presentIn(db, ids);
    const joined = new Set(present.filter((row) => row.user_id === caller.userId).map((row) => row.session_id));
    return rows.filter(
      (row) => !isBoundElsewhere(caller, row.id) && (row.owner_id === caller.userId || joined.has(row.id)),
    );
  };

  return {
    /** A session that the caller owns or is present in, ended ones included. Throws `session_not_joined` for any other. */
    get: async (caller: Caller, name: string): Promise<SessionView> => {
      const row = await mapDbErrors(resolver.resolve(db, caller.userId, name));
      if (row !== null && !isBoundElsewhere(caller, row.id)) return await mapDbErrors(show.one(db, row));
      const refused = sessionNotJoined();
      await audit.recordAlone(db, caller, { action: 'session.refused', outcome: 'refused', reason: refused.code });
      throw refused;
    },

    /** A page of the sessions that the caller owns or is present in, newest first. */
    list: async (caller: Caller, page: Page): Promise<Paged<SessionView>> => {
      const ids = await mapDbErrors(queries.pageOfIds(db, caller.userId, page));
      const { items, next_cursor } = pageOf(ids, page.limit, (id) => id);
      const rows = await mapDbErrors(queries.byIds(db, items));
      const visible = await mapDbErrors(visibleOf(caller, rows));
      return { items: await mapDbErrors(show.all(db, visible)), next_cursor };
    },
  };
};
