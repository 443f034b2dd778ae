import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import { createEventErasing, eventSweep } from '../events/index.ts';
import { memoryErasing } from '../graph/index.ts';
import type { Handovers } from '../handovers/index.ts';
import type { JobKinds, Jobs } from '../jobs/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import type { Webhooks } from '../webhooks/index.ts';
import { createClockWatch, type SweepClocks } from './clock-watch.ts';
import { createErase, createEraseJobs } from './erase-user.ts';
import { createHold } from './hold.ts';
import { createPreviewErasure } from './preview-erasure.ts';
import { createPurge } from './purge.ts';
import { createSweeper, type Sweeper, type SweeperLog } from './sweeper.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly jobs: Jobs;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secrets: Secrets;
  readonly handovers: Handovers;
  readonly webhooks: Pick<Webhooks, 'erasing' | 'sweeps'>;
}

export { elapsedMs, type SweepClocks } from './clock-watch.ts';
export { createPurge, purgeStart } from './purge.ts';
export type { Sweeper } from './sweeper.ts';

export type Lifecycle = ReturnType<typeof createLifecycle>;

/** What spans the domains: erasing a user, and what is held back after a restore. */
export const createLifecycle = ({
  db,
  clock,
  seals,
  audit,
  mutate,
  jobs,
  users,
  sessions,
  secrets,
  handovers,
  webhooks,
}: Deps) => {
  const events = createEventErasing(seals);
  const graph = { erasing: memoryErasing };
  const purging = createPurge({ users, sessions, secrets, handovers, webhooks, graph, events });
  const hold = createHold({ db, seals, clock, audit, mutate });
  const kinds: JobKinds = createEraseJobs({ users, purging, isHeld: hold.isHeld });
  return {
    ...createErase({ audit, mutate, jobs, users, purging }),
    previewErasure: createPreviewErasure({ db, audit, users, sessions, secrets, purging }),
    hold,
    /** The long work of this domain. */
    jobKinds: kinds,
    /** What does, while the service runs, what time makes due. */
    sweeper: (clocks: SweepClocks, log: SweeperLog): Sweeper => {
      const warn = (message: string): void => log.warn({}, message);
      const sweeps = [...sessions.sweeps, ...secrets.sweeps, ...webhooks.sweeps, eventSweep(seals)];
      const watchClock = createClockWatch({ db, clock, seals, audit, elapsedMs: clocks.elapsedMs, warn });
      return createSweeper({ db, clock, clocks, hold, watchClock, sweeps, log });
    },
  };
};
