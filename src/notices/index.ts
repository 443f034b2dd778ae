import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { EventIds, Seals } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import { createNoticeList } from './list.ts';
import { createQueries } from './queries.ts';
import { createStreams, type Streams } from './streams.ts';
import { createTelling } from './telling.ts';
import { createShowEvents } from './view.ts';

export type { Sink } from './stream.ts';
export type { Streams } from './streams.ts';
export { wholeViewer } from './telling.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secrets: Secrets;
  readonly ids: EventIds;
  readonly stillValid: Parameters<typeof createStreams>[0]['stillValid'];
}

export type Notices = ReturnType<typeof createNotices>;

/** What people are told of: what they may still know of each event, the list of it, and streams of it. */
export const createNotices = (deps: Deps) => {
  const { db, clock, seals, audit, mutate, users, sessions, secrets } = deps;
  const queries = createQueries(seals);
  const telling = createTelling({ users, sessions, secrets });
  const show = createShowEvents({ users });
  const shared = { ...deps, queries, telling, show };
  return {
    ...createNoticeList({ db, clock, audit, mutate, queries, telling, show }),
    ...telling,
    show,
    /** The streams of this process. */
    streams: (log: Parameters<typeof createStreams>[0]['log']): Streams => createStreams({ ...shared, log }),
  };
};
