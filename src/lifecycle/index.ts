import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { JobKinds, Jobs } from '../jobs/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import { createErase, createEraseJobs } from './erase-user.ts';
import { createHold } from './hold.ts';
import { createPreviewErasure } from './preview-erasure.ts';
import { createPurge } from './purge.ts';

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
}

export { createPurge, purgeStart } from './purge.ts';

export type Lifecycle = ReturnType<typeof createLifecycle>;

/** What spans the domains: erasing a user, and what is held back after a restore. */
export const createLifecycle = ({ db, clock, seals, audit, mutate, jobs, users, sessions, secrets }: Deps) => {
  const purging = createPurge({ users, sessions, secrets });
  const hold = createHold({ db, seals, clock, audit, mutate });
  const kinds: JobKinds = createEraseJobs({ purging, isHeld: hold.isHeld });
  return {
    ...createErase({ audit, mutate, jobs, users, purging }),
    previewErasure: createPreviewErasure({ db, audit, users, sessions, secrets, purging }),
    hold,
    /** The long work of this domain. */
    jobKinds: kinds,
  };
};
