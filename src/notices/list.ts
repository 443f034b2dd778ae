import { type Mutate, waitingPeriod } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { dayMs } from '../core/durations.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { Page, Paged } from '../core/page.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { NoticeQueries } from './queries.ts';
import { type Telling, viewerOf } from './telling.ts';
import type { EventView, ShowEvents } from './view.ts';

/** An event of which a user was told, and whether they have marked it as read. */
export interface Notice extends EventView {
  readonly unread: boolean;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: NoticeQueries;
  readonly telling: Telling;
  readonly show: ShowEvents;
}

/** How long notices are kept, in milliseconds. */
const keptMs = 30 * dayMs;

export const createNoticeList = ({ db, clock, audit, mutate, queries, telling, show }: Deps) => {
  const page = async (caller: Caller, unread: boolean, at: Page): Promise<Paged<Notice>> => {
    const { userId } = caller;
    const viewer = viewerOf(caller);
    const mark = await queries.mark(db, userId);
    const since = new Date(clock.now().getTime() - keptMs);
    // Chosen here and not only when it is decided, so that no cursor tells of what happened elsewhere.
    const filter = { since, within: viewer.boundTo, after: unread ? mark : 0, page: at };
    const { items, next_cursor } = await queries.notices(db, userId, filter);
    const decided = await telling.tell(
      db,
      items.map((row) => ({ row, viewer })),
    );
    const told = decided.filter((one) => one !== null);
    const views = await show(db, told);
    const isUnread = (index: number): boolean => (told[index]?.row.position ?? 0) > mark;
    return { items: views.map((view, index) => ({ ...view, unread: isUnread(index) })), next_cursor };
  };

  return {
    /**
     * What the caller was told of in the last 30 days that others did, or agents, newest first. What the caller has no access
     * to any more is left out, so that a page may be shorter than its limit. Throws `waiting_period`.
     */
    list: async (caller: Caller, unread: boolean, at: Page): Promise<Paged<Notice>> => {
      await refuseWaiting(audit, db, caller);
      return await mapDbErrors(page(caller, unread, at));
    },

    /**
     * Marks everything up to this event as read, or up to the newest one. Throws `not_found` for an event of others, and
     * `permission_missing` for a token that is bound to a session: it would mark what it is not shown.
     */
    markRead: (caller: Caller, upTo: string | null): Promise<void> =>
      mutate(caller, async (tx) => {
        if (viewerOf(caller).boundTo !== null)
          return await audit.refuse(tx, caller, 'notice.read', { error: boundElsewhere() });
        const position =
          upTo === null
            ? await queries.newestOf(tx, caller.userId, (await queries.log(tx)).last)
            : await queries.positionOf(tx, caller.userId, upTo);
        if (position === null)
          return await audit.refuse(tx, caller, 'notice.read', { error: notFound(), reason: 'nothing' });
        await queries.moveMark(tx, caller.userId, position);
        await audit.allow(tx, caller, 'notice.read', { details: {} });
        return { ok: undefined };
      }),
  };
};

const boundElsewhere = (): KeyholdError =>
  new KeyholdError('permission_missing', 'A token bound to a session cannot mark its user’s notices as read.');

/** A login that waits because its password was reset is told nothing. Records the refusal and throws `waiting_period`. */
export const refuseWaiting = async (audit: Audit, db: Db, caller: Caller): Promise<void> => {
  if (!caller.waiting) return;
  const refused = waitingPeriod();
  await audit.recordAlone(db, caller, { action: 'request.refused', outcome: 'refused', reason: refused.code });
  throw refused;
};
