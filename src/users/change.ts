import type { AuditAction } from '../audit/index.ts';
import type { Caller, Role } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { integrityBroken } from '../keys/index.ts';
import { adminNeeded, isAdmin, lastAdmin, type UsersContext } from './context.ts';
import { isWaiting, noReset } from './password-change.ts';
import { lockAdministration } from './queries.ts';
import { type UserView, viewOf } from './user.ts';

export interface ChangeUser {
  readonly email?: string | null;
  readonly display_name?: string | null;
  readonly role?: Role;
  readonly status?: 'active' | 'disabled';
}

const concernsRank = (input: ChangeUser): boolean => input.role !== undefined || input.status !== undefined;
const concernsPerson = (input: ChangeUser): boolean => input.email !== undefined || input.display_name !== undefined;

const losesAdmin = (row: UserRow, input: ChangeUser): boolean =>
  row.role === 'admin' &&
  row.status === 'active' &&
  (input.status === 'disabled' || (input.role !== undefined && input.role !== 'admin'));

/** Why there is nobody here to change for this caller, or null. */
const refuseMissing = (caller: Caller, row: UserRow | null, id: UserId): KeyholdError | null => {
  if (row && row.status !== 'erased') return null;
  return !row && id === caller.userId ? integrityBroken() : notFound();
};

/** Why this caller may not make this change to anybody of that id, or null: said before anybody is looked up. */
const refuseCaller = (caller: Caller, id: UserId, input: ChangeUser): KeyholdError | null => {
  if (concernsPerson(input) && id !== caller.userId) {
    return new KeyholdError('permission_missing', 'Email and display name are the user’s own to change.');
  }
  return concernsRank(input) && !isAdmin(caller) ? adminNeeded() : null;
};

const refuseChange = async (
  context: UsersContext,
  tx: Tx,
  row: UserRow,
  input: ChangeUser,
): Promise<KeyholdError | null> =>
  losesAdmin(row, input) && (await context.isLastAdmin(tx, row.id)) ? lastAdmin() : null;

/**
 * The waiting time after a reset counts only while its user can call it off: who is disabled cannot, so it begins anew when
 * they are enabled. A reset whose time was over before is over for good.
 */
const waitOf = (context: UsersContext, row: UserRow, input: ChangeUser): Partial<UserRow> => {
  if (input.status === undefined || input.status === row.status) return {};
  const now = context.clock.now();
  if (input.status === 'disabled') return isWaiting(row, now) ? {} : noReset;
  return row.password_reset_at === null ? {} : { secrets_from: new Date(now.getTime() + context.waitingMs) };
};

const actionOf = (input: ChangeUser): AuditAction => {
  if (input.status === undefined) return 'user.update';
  return input.status === 'disabled' ? 'user.disable' : 'user.enable';
};

/** Changes a user: email and display name by themself, role and status by an administrator. */
export const updateUser = (context: UsersContext, caller: Caller, id: UserId, input: ChangeUser): Promise<UserView> => {
  const first = async (tx: Tx): Promise<void> => {
    if (concernsRank(input)) await lockAdministration(tx);
    if (concernsRank(input) || id === caller.userId) await context.queries.lock(tx, id);
  };
  return context.mutate(
    caller,
    async (tx) => {
      const row = await context.queries.lock(tx, id);
      const missing = refuseCaller(caller, id, input) ?? refuseMissing(caller, row, id);
      if (!row || missing) return await context.refuse(tx, caller, 'user.update', id, missing ?? notFound());
      const refusal = await refuseChange(context, tx, row, input);
      if (refusal) return await context.refuse(tx, caller, 'user.update', id, refusal);
      const changed = await context.change(tx, row, { ...input, ...waitOf(context, row, input) });
      const rank = { ...(input.role ? { role: input.role } : {}), ...(input.status ? { status: input.status } : {}) };
      const details = { fields: Object.keys(input), revision: changed.revision, ...rank };
      await context.allow(tx, caller, actionOf(input), id, details);
      return { ok: viewOf(changed) };
    },
    first,
  );
};
