import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, Role } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { AssignableStatus } from '../core/user-status.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { integrityBroken } from '../keys/index.ts';
import {
  adminOnly,
  isAdmin,
  isLastAdministrator,
  lastAdministrator,
  lockAdministration,
  userTarget,
} from './administrators.ts';
import { type ClosedIdentities, type LockedCount, registerBroken } from './closed-identities.ts';
import type { Ended, UserCredentials } from './credentials.ts';
import type { EndHandovers } from './handovers.ts';
import { isResetPending, noReset } from './password-reset.ts';
import type { UserQueries } from './queries.ts';
import type { Revise } from './revise.ts';
import { createToldOf } from './told.ts';
import { type UserView, viewOf } from './user.ts';

export interface ChangeUser {
  readonly email?: string | null;
  readonly display_name?: string | null;
  readonly role?: Role;
  readonly status?: AssignableStatus;
}

interface Deps {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: UserQueries;
  readonly revise: Revise;
  readonly credentials: UserCredentials;
  readonly closedIdentities: ClosedIdentities;
  readonly endHandovers: EndHandovers;
  /** How long a password that an administrator set waits before it opens secrets, in milliseconds. */
  readonly waitingMs: number;
}

export const createChange = (deps: Deps) => {
  const { clock, audit, mutate, queries, revise, credentials, closedIdentities, endHandovers, waitingMs } = deps;

  const toldOf = createToldOf(queries);

  /** Takes the stronger locks before the gate takes weaker ones on the same rows, in the order in which every request does. */
  const lockFirst = async (tx: Tx, caller: Caller, id: UserId, input: ChangeUser): Promise<void> => {
    const administers = isAdmin(caller) && changesRoleOrStatus(input);
    if (administers) await lockAdministration(tx);
    if (administers && input.status !== undefined) await credentials.lock(tx, id);
    if (administers || id === caller.userId) await queries.lock(tx, id);
  };

  /** Enters a change of status into the register, and ends every credential where the user was or becomes disabled. */
  const applyStatus = async (tx: Tx, row: UserRow, { status }: ChangeUser, count: LockedCount): Promise<Ended> => {
    await closedIdentities.enter(tx, count, row, status === 'disabled' ? 'closed' : 'open');
    // On enabling too: what an earlier version left alive must not come back with the user.
    return await credentials.endAll(tx, row.id);
  };

  /**
   * The waiting time after a reset counts only while its user can cancel it. A disabled user cannot, so the time starts again
   * when they are enabled. A reset whose time was over before stays over.
   */
  const resetAfter = (row: UserRow, { status }: ChangeUser): Partial<UserRow> => {
    if (status === undefined || status === row.status) return {};
    const now = clock.now();
    if (status === 'disabled') return isResetPending(row, now) ? {} : noReset;
    return row.password_reset_at === null ? {} : { secrets_from: new Date(now.getTime() + waitingMs) };
  };

  const record = async (tx: Tx, caller: Caller, before: UserRow, changed: UserRow, input: ChangeUser, ended: Ended) => {
    const { role, status } = input;
    const target = userTarget(changed.id);
    const details = {
      fields: Object.keys(input),
      revision: changed.revision,
      ...(role === undefined ? {} : { role }),
      ...(status === undefined ? {} : { status }),
    };
    const type = status === 'disabled' ? 'account.disabled' : 'account.enabled';
    const tells = before.status === changed.status ? [] : await toldOf(tx, type, changed.id);
    return status === 'disabled'
      ? await audit.allow(tx, caller, 'user.disable', { target, details: { ...details, ...ended }, tells })
      : await audit.allow(tx, caller, actionOf(input), { target, details, tells });
  };

  /** Makes a change that is allowed, unless it cannot be entered into the register. */
  const apply = async (tx: Tx, caller: Caller, row: UserRow, input: ChangeUser): Promise<Outcome<UserView>> => {
    const count = affectsRegister(row, input) ? await closedIdentities.lock(tx) : undefined;
    if (count === null)
      return await audit.refuse(tx, caller, actionOf(input), { target: userTarget(row.id), error: registerBroken() });
    const ended = count === undefined ? nothingEnded : await applyStatus(tx, row, input, count);
    const changed = await revise(tx, row, { ...input, ...resetAfter(row, input) });
    await record(tx, caller, row, changed, input, ended);
    if (input.status === 'active') await endHandovers(tx, caller, row.id);
    return { ok: viewOf(changed) };
  };

  const lastAdminError = async (tx: Tx, row: UserRow | null, input: ChangeUser): Promise<KeyholdError | null> =>
    row && removesAdmin(input) && (await isLastAdministrator(queries, tx, row)) ? lastAdministrator() : null;

  return {
    /**
     * Changes a user: email and display name by the user, role and status by an administrator. Throws `permission_missing`,
     * `not_found`, `state_conflict` for the last active administrator, `integrity_broken`.
     */
    update: (caller: Caller, id: UserId, input: ChangeUser): Promise<UserView> =>
      mutate(
        caller,
        async (tx) => {
          const row = await queries.lock(tx, id);
          const error =
            permissionError(caller, id, input) ??
            absenceError(caller, id, row) ??
            (await lastAdminError(tx, row, input));
          if (!row || error)
            return await audit.refuse(tx, caller, 'user.update', {
              target: userTarget(id),
              error: error ?? notFound(),
            });
          return await apply(tx, caller, row, input);
        },
        (tx) => lockFirst(tx, caller, id, input),
      ),
  };
};

const nothingEnded: Ended = { logins: 0, tokens: 0 };

const changesRoleOrStatus = (input: ChangeUser): boolean => input.role !== undefined || input.status !== undefined;
const changesProfile = (input: ChangeUser): boolean => input.email !== undefined || input.display_name !== undefined;

const removesAdmin = (input: ChangeUser): boolean =>
  input.status === 'disabled' || (input.role !== undefined && input.role !== 'admin');

/** Whether the register of closed identities must say of this change. Disabling a disabled user enters it again. */
const affectsRegister = (row: UserRow, { status }: ChangeUser): boolean =>
  status === 'disabled' || (status === 'active' && row.status === 'disabled');

/** Why the caller cannot make this change to anybody with this id, or null. Answered before the user is looked at. */
const permissionError = (caller: Caller, id: UserId, input: ChangeUser): KeyholdError | null => {
  if (changesProfile(input) && id !== caller.userId)
    return new KeyholdError('permission_missing', 'Only the users themselves can change their email and display name.');
  return changesRoleOrStatus(input) && !isAdmin(caller) ? adminOnly() : null;
};

const absenceError = (caller: Caller, id: UserId, row: UserRow | null): KeyholdError | null => {
  if (row && row.status !== 'erased') return null;
  return !row && id === caller.userId ? integrityBroken() : notFound();
};

const actionOf = ({ status }: ChangeUser): 'user.update' | 'user.enable' | 'user.disable' => {
  if (status === undefined) return 'user.update';
  return status === 'disabled' ? 'user.disable' : 'user.enable';
};
