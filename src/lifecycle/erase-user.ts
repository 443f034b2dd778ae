import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { type JobKind, type Jobs, jobKind } from '../jobs/index.ts';
import type { Users } from '../users/index.ts';
import {
  type ErasedCounts,
  erasedCounts,
  type PurgeCursor,
  type Purged,
  type PurgeOfUsers,
  purgeStart,
} from './purge.ts';

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly jobs: Pick<Jobs, 'start' | 'nudge'>;
  readonly users: Pick<Users, 'erasing'>;
  readonly purging: PurgeOfUsers;
}

/** The answer to an erasure: what is gone by now. Where that is not everything, the job goes on with the rest. */
export interface ErasureReceipt {
  readonly user_id: UserId;
  readonly complete: boolean;
  readonly job_id: string | null;
  readonly counts: ErasedCounts;
}

const eraseJob = 'erase';

/** Rows that are purged with the erasure itself, so that an ordinary user is gone when it is answered. */
const atOnce = { limit: 500, batch: 100, locked: 'skip' } as const;
/** Rows that one step of the job purges. */
const inStep = { limit: 200, batch: 100, locked: 'wait' } as const;

/** Erases a user for good, and what they leave behind in batches. */
export const createErase = ({ audit, mutate, jobs, users, purging }: Deps) => {
  /** Starts the job that goes on with what is left; resolves to its id, or null where nothing is. */
  const goOn = async (tx: Tx, caller: Caller, id: UserId, { rows, counts, cursor }: Purged): Promise<string | null> => {
    if (cursor === null) return null;
    const left = await purging.count(tx, id);
    const job = await jobs.start(tx, caller, {
      kind: eraseJob,
      params: { user_id: id },
      cancellable: false,
      total: rows + left.rows,
      progress: { cursor, done: rows, counts },
    });
    return job.id;
  };

  return {
    /**
     * Erases a user. In one transaction, the id becomes a tombstone, so that records never point at somebody else, the owner keys
     * are destroyed, so that no value of theirs opens any more, and their identity stays out. Secrets and versions, logins,
     * tokens and their presence everywhere are deleted in the same transaction, as far as some hundred rows go and nobody
     * else has locked them; a job does the rest. Users can erase themselves, administrators everybody. Throws `permission_missing`, `not_found`,
     * `state_conflict` for the last active administrator, `integrity_broken` while the record of closed identities cannot be
     * relied on.
     */
    erase: async (caller: Caller, id: UserId): Promise<ErasureReceipt> => {
      const receipt = await mutate(
        caller,
        async (tx) => {
          const target = { type: 'user', id } as const;
          const locked = await users.erasing.lockForErasing(tx, caller, id);
          if ('refused' in locked)
            return await audit.refuse(tx, caller, 'user.erase', { target, error: locked.refused });
          await users.erasing.close(tx, locked.ok);
          const purged = await purging.purge(tx, id, purgeStart, atOnce);
          const job_id = await goOn(tx, caller, id, purged);
          const counts = erasedCounts(purged.counts);
          await audit.allow(tx, caller, 'user.erase', {
            target,
            details: { ...counts, ...(job_id ? { job_id } : {}) },
          });
          return { ok: { user_id: id, complete: job_id === null, job_id, counts } };
        },
        (tx) => users.erasing.lockFirst(tx, caller, id),
      );
      if (!receipt.complete) jobs.nudge();
      return receipt;
    },
  };
};

interface EraseJobDeps extends Pick<Deps, 'users' | 'purging'> {
  /** Whether an erasure of before a restore must wait until the operator releases it. */
  readonly isHeld: (tx: Tx) => Promise<boolean>;
}

const heldSeconds = 10;

/** The kind of job that goes on with an erasure. It must not stop halfway. */
export const createEraseJobs = ({ users, purging, isHeld }: EraseJobDeps): Readonly<Record<string, JobKind>> => ({
  [eraseJob]: jobKind<{ user_id: UserId; restored?: true }, PurgeCursor>({
    step: async (tx, { params, cursor }) => {
      if (params.restored && (await isHeld(tx)))
        return { next: 'wait', cursor: cursor ?? purgeStart, seconds: heldSeconds };
      // A job that was put back in another state of the database must not delete what a living user has.
      if (!(await users.erasing.isErased(tx, params.user_id))) return { next: 'fail', reason: 'state_conflict' };
      const purged = await purging.purge(tx, params.user_id, cursor ?? purgeStart, inStep);
      const progress = { done: purged.rows, failed: purged.broken, counts: purged.counts };
      return purged.cursor === null
        ? { ...progress, next: 'finish' }
        : { ...progress, next: 'step', cursor: purged.cursor };
    },
  }),
});
