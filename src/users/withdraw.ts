import type { Role } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import { createClosedIdentities, registerBroken } from './closed-identities.ts';
import { createUserCredentials } from './credentials.ts';
import { createErasing } from './erase.ts';
import { noReset } from './password-reset.ts';
import { createQueries } from './queries.ts';
import { createRevise } from './revise.ts';

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
  readonly lookupKey: Uint8Array;
}

/**
 * Shuts users out without asking who may do so, and even the last administrator, for a database that was restored. Each
 * function resolves to false where there is no such intact user, who then cannot do anything. Those that enter the register of
 * closed identities throw `integrity_broken` while it cannot be relied on.
 */
export const createUserWithdrawals = ({ seals, clock, lookupKey }: Deps) => {
  const queries = createQueries(seals);
  const revise = createRevise({ seals, clock });
  const credentials = createUserCredentials({ seals, clock });
  const closedIdentities = createClosedIdentities({ seals, clock, lookupKey });
  const erasing = createErasing({ seals, queries, revise, credentials, closedIdentities });

  const lockCount = async (tx: Tx) => {
    const count = await closedIdentities.lock(tx);
    if (count === null) throw registerBroken();
    return count;
  };

  const withUser = async (tx: Tx, id: UserId, work: (row: UserRow) => Promise<unknown>): Promise<boolean> => {
    const row = await queries.lock(tx, id);
    if (row === null || row.status === 'erased') return false;
    await work(row);
    return true;
  };

  return {
    endCredentials: (tx: Tx, id: UserId) => withUser(tx, id, () => credentials.endAll(tx, id)),
    disable: (tx: Tx, id: UserId) =>
      withUser(tx, id, async (row) => {
        if (row.status === 'disabled') return;
        await closedIdentities.enter(tx, await lockCount(tx), row, 'closed');
        await credentials.endAll(tx, id);
        await revise(tx, row, { status: 'disabled' });
      }),
    /** Never gives a role that grants more. */
    lowerRole: (tx: Tx, id: UserId, role: Role) =>
      withUser(tx, id, async (row) => {
        if (row.role === 'admin' && role !== 'admin') await revise(tx, row, { role });
      }),
    /** Ends every login and token, and leaves the user without a password until an administrator or the operator resets it. */
    forgetPassword: (tx: Tx, id: UserId) =>
      withUser(tx, id, async (row) => {
        await credentials.endAll(tx, id);
        await revise(tx, row, { password_hash: null, ...noReset });
      }),
    erasing,
    /** As the user is erased otherwise; what they leave behind is to be purged. */
    erase: (tx: Tx, id: UserId) =>
      withUser(tx, id, async (row) => erasing.close(tx, { row, count: await lockCount(tx) })),
    hasAdministrator: async (tx: Tx): Promise<boolean> => (await queries.activeAdmins(tx)).length > 0,
  };
};
