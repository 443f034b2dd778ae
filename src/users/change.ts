import type { AuditAction } from '../audit/index.ts';
import type { Caller, Role } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { integrityBroken } from '../keys/index.ts';
import { type LockedCount, recordBroken } from './closed-identities.ts';
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

/** What a change of status enters into the record of closed identities; null where it changes nothing there. */
const closingOf = (row: UserRow, input: ChangeUser): 'closed' | 'open' | null => {
  if (input.status === 'disabled') return 'closed';
  return input.status === 'active' && row.status === 'disabled' ? 'open' : null;
};

/** Both ways end every credential: what a previous version left alive must not come back with the user. */
const closeOrOpen = async (
  context: UsersContext,
  tx: Tx,
  row: UserRow,
  count: LockedCount,
  state: 'closed' | 'open',
): Promise<{ logins: number; tokens: number }> => {
  await context.closedIdentities.enter(tx, count, row, state);
  return await context.credentials.endAll(tx, row.id);
};

const actionOf = (input: ChangeUser): AuditAction => {
  if (input.status === undefined) return 'user.update';
  return input.status === 'disabled' ? 'user.disable' : 'user.enable';
};

interface Change {
  readonly row: UserRow;
  readonly input: ChangeUser;
  /** Null where nothing is entered. */
  readonly record: LockedCount | null;
}

const applyChange = async (
  context: UsersContext,
  tx: Tx,
  caller: Caller,
  { row, input, record }: Change,
): Promise<UserRow> => {
  const state = closingOf(row, input);
  const ended = record && state ? await closeOrOpen(context, tx, row, record, state) : { logins: 0, tokens: 0 };
  const changed = await context.change(tx, row, { ...input, ...waitOf(context, row, input) });
  const rank = { ...(input.role ? { role: input.role } : {}), ...(input.status ? { status: input.status } : {}) };
  const counts = input.status === 'disabled' ? ended : {};
  const details = { fields: Object.keys(input), revision: changed.revision, ...rank, ...counts };
  await context.allow(tx, caller, actionOf(input), row.id, details);
  return changed;
};

/** Changes a user: email and display name by themself, role and status by an administrator. */
export const updateUser = (context: UsersContext, caller: Caller, id: UserId, input: ChangeUser): Promise<UserView> => {
  const first = async (tx: Tx): Promise<void> => {
    if (concernsRank(input)) await lockAdministration(tx);
    // Before the user, as every request of theirs takes them.
    if (input.status !== undefined && isAdmin(caller)) await context.credentials.lock(tx, id);
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
      const record = closingOf(row, input) && (await context.closedIdentities.lock(tx));
      if (record === null && closingOf(row, input) !== null)
        return await context.refuse(tx, caller, actionOf(input), id, recordBroken());
      return { ok: viewOf(await applyChange(context, tx, caller, { row, input, record })) };
    },
    first,
  );
};
