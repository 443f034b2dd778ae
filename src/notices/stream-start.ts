import { randomInt } from 'node:crypto';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { EventIdScope, EventIds } from '../keys/index.ts';
import type { LogState, NoticeQueries } from './queries.ts';
import { messageText } from './stream.ts';

/** Where a stream begins. */
export interface StreamStart {
  readonly scope: EventIdScope;
  readonly at: number;
  /** What is sent first. */
  readonly text: string;
}

interface Deps {
  readonly clock: Clock;
  readonly ids: EventIds;
  readonly queries: Pick<NoticeQueries, 'log' | 'epoch' | 'newestOf'>;
}

const minRetryMs = 1000;
const maxRetryMs = 30_000;
const noticesPath = '/api/v1/notices';

/**
 * Finds where a stream begins: after the event that the client named as its last one, or now. The client is told if events may
 * be missing because that id is too old, or none of this user's.
 */
export const createStreamStart =
  ({ clock, ids, queries }: Deps) =>
  async (db: Db, { userId }: Caller, lastEventId: string | null): Promise<StreamStart> => {
    const log = await queries.log(db);
    const scope = { userId, epoch: await queries.epoch(db) };
    // Each stream gets its own, so that clients do not come back all at once.
    const retry = randomInt(minRetryMs, maxRetryMs + 1);
    const known = lastEventId === null ? null : placeOf(ids.decode(scope, lastEventId), log);
    if (typeof known === 'number') return { scope, at: known, text: messageText({ retry }) };
    // The user's own newest event and not the newest of all, whose id would tell that others have had some.
    const newest = await queries.newestOf(db, userId, log.last);
    const id = ids.encode(scope, Math.max(newest, log.trimmed));
    if (known === null) return { scope, at: log.last, text: messageText({ retry, id }) };
    const data = { reason: known, missed_before: clock.now().toISOString(), look_at: noticesPath };
    return { scope, at: log.last, text: messageText({ retry, id, event: 'stream.reset', data }) };
  };

/** The position, or why a stream cannot go on from it. */
const placeOf = (position: number | null, log: LogState): number | 'unknown' | 'trimmed' => {
  if (position === null || position > log.last) return 'unknown';
  return position < log.trimmed ? 'trimmed' : position;
};
