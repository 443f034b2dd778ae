import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Db } from '../db/database.ts';
import type { JobKinds, Jobs } from '../jobs/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import { createErase, createEraseJobs } from './erase-user.ts';
import { createPreviewErasure } from './preview-erasure.ts';
import { createPurge } from './purge.ts';

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly jobs: Jobs;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secrets: Secrets;
}

export type Lifecycle = ReturnType<typeof createLifecycle>;

/** What spans the domains: erasing a user. */
export const createLifecycle = ({ db, audit, mutate, jobs, users, sessions, secrets }: Deps) => {
  const purging = createPurge({ users, sessions, secrets });
  const kinds: JobKinds = createEraseJobs({ users, purging });
  return {
    ...createErase({ audit, mutate, jobs, users, purging }),
    previewErasure: createPreviewErasure({ db, audit, users, sessions, secrets, purging }),
    /** The long work of this domain. */
    jobKinds: kinds,
  };
};
