import { visibleBranches } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { type Page, pageOf, readCursor } from '../core/page.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import type { Sessions } from '../sessions/index.ts';
import { matchesFilter } from './filter.ts';
import type { Evaluation, Load } from './load.ts';
import { type SecretFilter, visibleIds } from './queries.ts';
import { type SecretView, viewOf } from './view.ts';

export interface SecretPage {
  readonly items: readonly SecretView[];
  readonly next_cursor: string | null;
  /** The caller's own secrets of this page whose rows were changed outside of Keyhold; they are neither shown nor used. */
  readonly damaged: readonly string[];
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly load: Load;
  readonly sessions: Pick<Sessions, 'idOf' | 'verify'>;
}

export const createListing = ({ db, clock, audit, load, sessions }: Deps) => {
  /** The filter with its session by our own id. A session that the caller may not look at matches nothing. */
  const withOwnSessionId = async (tx: Tx, caller: Caller, filter: SecretFilter): Promise<SecretFilter> => {
    if (filter.sessionId === undefined) return filter;
    const named = await sessions.idOf(tx, caller, filter.sessionId);
    return { ...filter, sessionId: named ?? filter.sessionId.toLowerCase() };
  };

  /** One page of what the caller may see, newest first. SQL chooses the rows; the rule has the last word over each. */
  const list = (caller: Caller, filter: SecretFilter, page: Page): Promise<SecretPage> =>
    inTransaction(db, async (tx) => {
      const now = clock.now();
      const resolved = await withOwnSessionId(tx, caller, filter);
      const viewer = { userId: caller.userId, branches: visibleBranches(caller, now), now };
      const ids = await visibleIds(tx, viewer, { filter: resolved, page });
      const cut = pageOf(ids, page.limit, (id) => id);
      const evaluations = [...(await load.evaluate(tx, caller, 'list', cut.items))];
      const items = evaluations.flatMap(([, one]) => viewIn(caller, resolved, one));
      const broken = evaluations.flatMap(([id, one]) => (one.kind === 'broken' ? [{ id, one }] : []));
      for (const { id, one } of broken) await audit.record(tx, caller, load.refusalEntry('secret.list', id, one));
      const damaged = broken.filter(({ one }) => one.error.code === 'integrity_broken').map(({ id }) => id);
      const details = { count: items.length, filters: Object.keys(filter) };
      await audit.allow(tx, caller, 'secret.list', { target: everySecret, details });
      return { items, next_cursor: cut.next_cursor, damaged };
    });

  return {
    list,

    /**
     * The secrets in one session that the caller sees: their own always, those of others while the caller is present there,
     * whether or not this request named the session.
     */
    inSession: async (caller: Caller, sessionId: string): Promise<SecretView[]> => {
      const session = caller.boundToSession ? caller.session : await sessions.verify(db, caller, sessionId);
      const inside = { ...caller, session };
      const views: SecretView[] = [];
      let cursor: string | null = null;
      do {
        const page: SecretPage = await list(inside, { sessionId }, { limit: 200, cursor });
        views.push(...page.items);
        cursor = readCursor(page.next_cursor ?? undefined);
      } while (cursor !== null);
      return views;
    },
  };
};

const viewIn = (caller: Caller, filter: SecretFilter, one: Evaluation): SecretView[] => {
  if (one.kind !== 'allowed') return [];
  const { row, now } = one.loaded;
  return matchesFilter(row, filter, caller.userId, now) ? [viewOf(row, one.basis, caller.userId, now)] : [];
};

const everySecret = { type: 'secrets', id: null } as const;
