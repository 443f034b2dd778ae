import type { Mutate } from '../access/index.ts';
import type { Audit, AuditAction, AuditDetails } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { Db } from '../db/database.ts';

/** Does something outside of a transaction, such as changing a file, that is recorded before it is done. */
export type Recorded = <A extends AuditAction, T>(
  caller: Caller,
  action: A,
  details: AuditDetails[A],
  work: () => Promise<T>,
) => Promise<T>;

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly mutate: Mutate;
}

const target = { type: 'keys', id: null } as const;

/** Where the work fails, a second record says so, and the failure is thrown. */
export const createRecorded =
  ({ db, audit, mutate }: Deps): Recorded =>
  async (caller, action, details, work) => {
    await mutate(caller, async (tx) => {
      await audit.allow(tx, caller, action, { target, details });
      return { ok: undefined };
    });
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof KeyholdError ? error.code : 'internal';
      await audit.recordAlone(db, caller, { action, target, outcome: 'failed', reason });
      throw error;
    }
  };
