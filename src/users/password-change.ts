import { waitingPeriod } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { later } from '../core/clock.ts';
import { invalid, KeyholdError, notFound } from '../core/errors.ts';
import type { LoginId, UserId } from '../core/ids.ts';
import { databaseNow } from '../db/checks.ts';
import { mapDbErrors, refusedWith } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { adminNeeded, isAdmin, type UsersContext } from './context.ts';
import { refusePassword, type UserView, viewOf } from './user.ts';

export const noReset = { previous_password_hash: null, password_reset_at: null, secrets_from: null } as const;

const ownLogin = (caller: Caller): LoginId | null => (caller.credential.kind === 'login' ? caller.credential.id : null);

export const isWaiting = (row: UserRow, now: Date): boolean =>
  row.password_reset_at !== null && row.secrets_from !== null && row.secrets_from.getTime() > now.getTime();

const notRight = (): KeyholdError => new KeyholdError('login_failed', 'The current password is not right.');

/** `password_hash` is the new one; null when the current one was not right. */
const changeFrom = (
  context: UsersContext,
  caller: Caller,
  before: UserRow | null,
  password_hash: string | null,
): Promise<UserView> =>
  context.mutate(
    caller,
    async (tx) => {
      const row = await context.queries.lock(tx, caller.userId);
      if (!row || password_hash === null || row.password_hash !== before?.password_hash) {
        return await context.refuse(tx, caller, 'user.password_change', caller.userId, notRight());
      }
      const changed = await context.change(tx, row, { password_hash, ...noReset });
      await context.credentials.endLogins(tx, { userId: row.id, except: ownLogin(caller) });
      // Whoever knew the old password may have made tokens by it.
      await context.credentials.revokeTokens(tx, { userId: row.id });
      await context.allow(tx, caller, 'user.password_change', row.id, { revision: changed.revision });
      return { ok: viewOf(changed) };
    },
    (tx) => context.queries.lock(tx, caller.userId),
  );

const changeOwn = async (
  context: UsersContext,
  caller: Caller,
  current: string | undefined,
  next: string,
): Promise<UserView> => {
  if (current === undefined) throw invalid('current_password', 'is needed to change your own password.');
  return await context.throttle.attempt({ own: caller.userId }, null, async () => {
    const before = await mapDbErrors(context.queries.byId(context.db, caller.userId));
    const right = await context.passwords.verify(before?.password_hash ?? null, current);
    // Hashed whether it will be needed or not: a right guess takes no longer than a wrong one.
    const hash = await context.passwords.hash(next);
    return { right, work: () => changeFrom(context, caller, before, right ? hash : null) };
  });
};

const refuseReset = (row: UserRow | null): KeyholdError | null => {
  if (!row || row.status === 'erased') return notFound();
  if (row.issuer === null) return null;
  return new KeyholdError('state_conflict', 'This user logs in at an external issuer and has no password here.');
};

/** A second reset while the first one waits must not make the first one's password the one to go back to. */
const resetOf = (row: UserRow, now: Date, waitingMs: number): Partial<UserRow> => ({
  previous_password_hash: isWaiting(row, now) ? row.previous_password_hash : row.password_hash,
  password_reset_at: isWaiting(row, now) ? row.password_reset_at : now,
  secrets_from: new Date(now.getTime() + waitingMs),
});

const resetOther = async (context: UsersContext, caller: Caller, id: UserId, next: string): Promise<UserView> => {
  const password_hash = isAdmin(caller) ? await context.passwords.hash(next) : null;
  return await context.mutate(caller, async (tx) => {
    if (password_hash === null) return await context.refuse(tx, caller, 'user.password_reset', id, adminNeeded());
    const row = await context.queries.lock(tx, id);
    const refusal = refuseReset(row);
    if (!row || refusal) return await context.refuse(tx, caller, 'user.password_reset', id, refusal ?? notFound());
    // By the clock that logins are dated by: one made just before must be able to call this off.
    const now = later(context.clock.now(), await databaseNow(tx));
    const changed = await context.change(tx, row, { password_hash, ...resetOf(row, now, context.waitingMs) });
    const details = { revision: changed.revision, secrets_from: changed.secrets_from?.toISOString() ?? null };
    await context.allow(tx, caller, 'user.password_reset', id, details);
    return { ok: viewOf(changed) };
  });
};

/**
 * Sets a password: one's own with the current one, which ends one's other logins; another's by an administrator, which
 * begins the waiting time in which it opens no secret and can be called off.
 */
export const setPassword = async (
  context: UsersContext,
  caller: Caller,
  id: UserId,
  current: string | undefined,
  next: string,
): Promise<UserView> => {
  // The gate refuses a login that waits, on the record, and before any password is looked at.
  if (caller.waiting) return await context.mutate(caller, async () => refusedWith(waitingPeriod()));
  const refusal = refusePassword('new_password', next);
  if (refusal) throw refusal;
  return id === caller.userId
    ? await changeOwn(context, caller, current, next)
    : await resetOther(context, caller, id, next);
};

const nothingWaits = (): KeyholdError =>
  new KeyholdError('state_conflict', 'No reset is waiting that could be called off.');

const refuseCancel = (caller: Caller, row: UserRow | null, id: UserId, now: Date): KeyholdError | null => {
  if (caller.userId !== id && !isAdmin(caller)) return adminNeeded();
  if (!row) return notFound();
  return isWaiting(row, now) ? null : nothingWaits();
};

/** Calls an administrator's reset off: the old password is back; logins and tokens made since then are gone. */
export const cancelReset = (context: UsersContext, caller: Caller, id: UserId): Promise<UserView> =>
  context.mutate(
    caller,
    async (tx) => {
      const row = await context.queries.lock(tx, id);
      const refusal = refuseCancel(caller, row, id, context.clock.now());
      if (!row || refusal) return await context.refuse(tx, caller, 'user.reset_cancel', id, refusal ?? notFound());
      const since = row.password_reset_at ?? context.clock.now();
      await context.credentials.endLogins(tx, { userId: id, since, except: ownLogin(caller) });
      await context.credentials.revokeTokens(tx, { userId: id, since });
      const changed = await context.change(tx, row, { password_hash: row.previous_password_hash, ...noReset });
      await context.allow(tx, caller, 'user.reset_cancel', id, { revision: changed.revision });
      return { ok: viewOf(changed) };
    },
    async (tx) => id === caller.userId && (await context.queries.lock(tx, id)),
  );
