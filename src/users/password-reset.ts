import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { databaseNow } from '../db/checks.ts';
import type { UserRow } from '../db/tables/index.ts';
import { adminOnly, isAdmin, userTarget } from './administrators.ts';
import { ownLogin, type UserCredentials } from './credentials.ts';
import type { Passwords } from './passwords.ts';
import type { UserQueries } from './queries.ts';
import type { Revise } from './revise.ts';
import { createToldOf } from './told.ts';
import { type UserView, viewOf } from './user.ts';

interface Deps {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: Pick<UserQueries, 'lock' | 'activeAdmins'>;
  readonly revise: Revise;
  readonly credentials: UserCredentials;
  readonly passwords: Passwords;
  /** How long a password that an administrator set waits before it opens secrets, in milliseconds. */
  readonly waitingMs: number;
}

export type PasswordReset = ReturnType<typeof createPasswordReset>;

export const createPasswordReset = (deps: Deps) => {
  const { clock, audit, mutate, queries, revise, credentials, passwords, waitingMs } = deps;
  const toldOf = createToldOf(queries);
  return {
    /**
     * Sets another user's password; administrators only. It opens no secret for the waiting time, in which the reset can be
     * cancelled. Throws `permission_missing`, `not_found`, `state_conflict` for a user of an external issuer.
     */
    reset: async (caller: Caller, id: UserId, password: string): Promise<UserView> => {
      const password_hash = isAdmin(caller) ? await passwords.hash(password) : null;
      return await mutate(caller, async (tx) => {
        const target = userTarget(id);
        const refuse = (error: KeyholdError) => audit.refuse(tx, caller, 'user.password_reset', { target, error });
        if (password_hash === null) return await refuse(adminOnly());
        const row = await queries.lock(tx, id);
        const error = resetError(row);
        if (!row || error) return await refuse(error ?? notFound());
        // By the clock that logins are dated by: one made just before must be able to cancel this.
        const now = later(clock.now(), await databaseNow(tx));
        const changed = await revise(tx, row, { password_hash, ...pendingReset(row, now, waitingMs) });
        const details = { revision: changed.revision, secrets_from: changed.secrets_from?.toISOString() ?? null };
        const tells = await toldOf(tx, 'reset.started', id, { secrets_from: details.secrets_from });
        await audit.allow(tx, caller, 'user.password_reset', { target: userTarget(id), details, tells });
        return { ok: viewOf(changed) };
      });
    },

    /**
     * Cancels an administrator's reset: the old password is valid again, and logins and tokens made since then are ended. By
     * the user's own earlier login, or by an administrator. Throws `permission_missing`, `not_found`, `state_conflict` when
     * there is no reset to cancel.
     */
    cancelReset: (caller: Caller, id: UserId): Promise<UserView> =>
      mutate(
        caller,
        async (tx) => {
          const row = await queries.lock(tx, id);
          const error = cancelError(caller, id, row, clock.now());
          if (!row || error)
            return await audit.refuse(tx, caller, 'user.reset_cancel', {
              target: userTarget(id),
              error: error ?? notFound(),
            });
          const since = row.password_reset_at ?? clock.now();
          await credentials.endLogins(tx, { userId: id, since, except: ownLogin(caller) });
          await credentials.revokeTokens(tx, { userId: id, since });
          const changed = await revise(tx, row, { password_hash: row.previous_password_hash, ...noReset });
          const details = { revision: changed.revision };
          const tells = await toldOf(tx, 'reset.cancelled', id);
          await audit.allow(tx, caller, 'user.reset_cancel', { target: userTarget(id), details, tells });
          return { ok: viewOf(changed) };
        },
        // The gate locks the caller's own row in a weaker way.
        async (tx) => id === caller.userId && (await queries.lock(tx, id)),
      ),
  };
};

/** What a row holds while no reset is pending. */
export const noReset = { previous_password_hash: null, password_reset_at: null, secrets_from: null } as const;

export const isResetPending = (row: UserRow, now: Date): boolean =>
  row.password_reset_at !== null && row.secrets_from !== null && row.secrets_from.getTime() > now.getTime();

const resetError = (row: UserRow | null): KeyholdError | null => {
  if (!row || row.status === 'erased') return notFound();
  if (row.issuer === null) return null;
  return new KeyholdError('state_conflict', 'This user logs in at an external issuer and has no password here.');
};

/** A second reset while the first is pending keeps the user's own password as the one to go back to. */
const pendingReset = (row: UserRow, now: Date, waitingMs: number): Partial<UserRow> => ({
  previous_password_hash: isResetPending(row, now) ? row.previous_password_hash : row.password_hash,
  password_reset_at: isResetPending(row, now) ? row.password_reset_at : now,
  secrets_from: new Date(now.getTime() + waitingMs),
});

const cancelError = (caller: Caller, id: UserId, row: UserRow | null, now: Date): KeyholdError | null => {
  if (caller.userId !== id && !isAdmin(caller)) return adminOnly();
  if (!row) return notFound();
  if (isResetPending(row, now)) return null;
  return new KeyholdError('state_conflict', 'There is no pending password reset to cancel.');
};
