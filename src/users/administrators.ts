import { sql } from 'kysely';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { UserQueries } from './queries.ts';

export const isAdmin = (caller: Caller): boolean => caller.permissions.has('admin');

export const adminOnly = (): KeyholdError =>
  new KeyholdError('permission_missing', 'Only an administrator can do this.');

export const lastAdministrator = (): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    'This is the last active administrator. Make somebody else an administrator first.',
  );

/** Takes the one lock of every change that could leave no administrator. */
export const lockAdministration = async (tx: Tx): Promise<void> => {
  await sql`select pg_advisory_xact_lock(7403117206)`.execute(tx);
};

/** True for an active administrator without whom there would be none. The transaction holds `lockAdministration`. */
export const isLastAdministrator = async (
  { activeAdmins }: Pick<UserQueries, 'activeAdmins'>,
  tx: Tx,
  { id, role, status }: UserRow,
): Promise<boolean> =>
  role === 'admin' && status === 'active' && !(await activeAdmins(tx)).some((admin) => admin.id !== id);

/** The target of records about a user. */
export const userTarget = (id: UserId) => ({ type: 'user', id }) as const;
