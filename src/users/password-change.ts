import { type Mutate, waitingPeriod } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { type Db, mapDbErrors, refusedWith } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import { userTarget } from './administrators.ts';
import { ownLogin, type UserCredentials } from './credentials.ts';
import { noReset, type PasswordReset } from './password-reset.ts';
import type { Passwords } from './passwords.ts';
import type { UserQueries } from './queries.ts';
import type { Revise } from './revise.ts';
import type { Throttle } from './throttle.ts';
import { passwordError, type UserView, viewOf } from './user.ts';

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: Pick<UserQueries, 'byId' | 'lock'>;
  readonly revise: Revise;
  readonly credentials: UserCredentials;
  readonly passwords: Passwords;
  readonly throttle: Throttle;
  readonly reset: PasswordReset['reset'];
}

export const createPasswordChange = (deps: Deps) => {
  const { db, audit, mutate, queries, revise, credentials, passwords, throttle, reset } = deps;

  /** Writes the new hash if the current password was right (`passwordHash` is null if not) and nobody changed it meanwhile. */
  const replaceHash = (caller: Caller, before: UserRow | null, passwordHash: string | null): Promise<UserView> =>
    mutate(
      caller,
      async (tx) => {
        const target = userTarget(caller.userId);
        const row = await queries.lock(tx, caller.userId);
        if (!row || passwordHash === null || row.password_hash !== before?.password_hash)
          return await audit.refuse(tx, caller, 'user.password_change', { target, error: wrongPassword() });
        const changed = await revise(tx, row, { password_hash: passwordHash, ...noReset });
        await credentials.endLogins(tx, { userId: row.id, except: ownLogin(caller) });
        // Somebody who knew the old password may have made tokens with it.
        await credentials.revokeTokens(tx, { userId: row.id });
        const details = { revision: changed.revision };
        await audit.allow(tx, caller, 'user.password_change', { target, details });
        return { ok: viewOf(changed) };
      },
      // The gate locks the caller's own row in a weaker way.
      (tx) => queries.lock(tx, caller.userId),
    );

  const changeOwn = async (caller: Caller, current: string | undefined, next: string): Promise<UserView> => {
    if (current === undefined) throw invalid('current_password', 'is needed to change your own password.');
    return await throttle.attempt({ own: caller.userId }, null, async () => {
      const before = await mapDbErrors(queries.byId(db, caller.userId));
      const right = await passwords.verify(before?.password_hash ?? null, current);
      // Hashed whether it will be needed or not: a right guess takes no longer than a wrong one.
      const hash = await passwords.hash(next);
      return { right, work: () => replaceHash(caller, before, right ? hash : null) };
    });
  };

  return {
    /**
     * Sets a password. Users change their own with the current one, which ends their other logins and revokes their tokens;
     * administrators reset another's (see `reset`). Throws `login_failed`, `rate_limited`, `waiting_period`,
     * `invalid_request` and what `reset` throws.
     */
    setPassword: async (caller: Caller, id: UserId, current: string | undefined, next: string): Promise<UserView> => {
      // The gate refuses a login that waits and records it, before any password is looked at.
      if (caller.waiting) return await mutate(caller, async () => refusedWith(waitingPeriod()));
      const error = passwordError('new_password', next);
      if (error) throw error;
      return id === caller.userId ? await changeOwn(caller, current, next) : await reset(caller, id, next);
    },
  };
};

const wrongPassword = (): KeyholdError => new KeyholdError('login_failed', 'The current password is wrong.');
