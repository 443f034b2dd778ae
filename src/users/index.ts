import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { OwnerKeys, Seals } from '../keys/index.ts';
import { createChange } from './change.ts';
import type { ClosedIdentities } from './closed-identities.ts';
import { createCreation } from './create.ts';
import { createUserCredentials } from './credentials.ts';
import { createErasing } from './erase.ts';
import { createEndHandovers } from './handovers.ts';
import { createInsertUser } from './insert.ts';
import { createLookUp } from './look-up.ts';
import { createPasswordChange } from './password-change.ts';
import { createPasswordReset } from './password-reset.ts';
import type { Passwords } from './passwords.ts';
import { createQueries } from './queries.ts';
import { createRevise } from './revise.ts';
import type { Throttle } from './throttle.ts';

export {
  beginClosedIdentities,
  type ClosedIdentities,
  createClosedIdentities,
  type IdentityCheck,
  registerBroken,
} from './closed-identities.ts';
export type { CreateUser } from './create.ts';
export { isIdUsed } from './id-traces.ts';
export type { UserReference } from './look-up.ts';
export { createPasswords, type Passwords } from './passwords.ts';
export { createThrottle, type Throttle } from './throttle.ts';
export { type UserCard, type UserView, usernameError, viewOf } from './user.ts';
export { createUserWithdrawals } from './withdraw.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly closedIdentities: ClosedIdentities;
  readonly ownerKeys: OwnerKeys;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly passwords: Passwords;
  /** Limits how often somebody can guess a password; it throws `rate_limited`. */
  readonly throttle: Throttle;
  /** How long a password that an administrator set waits before it opens secrets, in milliseconds. */
  readonly waitingMs: number;
}

export type Users = ReturnType<typeof createUsers>;

/** Everything about users but their logins and what they own. */
export const createUsers = (deps: Deps) => {
  const { db, clock, seals, closedIdentities, ownerKeys, audit, mutate, idempotency, passwords, throttle, waitingMs } =
    deps;
  const queries = createQueries(seals);
  const revise = createRevise({ seals, clock });
  const credentials = createUserCredentials({ seals, clock });
  const insert = createInsertUser({ clock, audit, ownerKeys });
  const lookUp = createLookUp({ db, queries });
  const change = createChange({
    clock,
    audit,
    mutate,
    queries,
    revise,
    credentials,
    closedIdentities,
    endHandovers: createEndHandovers({ clock, seals, audit }),
    waitingMs,
  });
  const { reset, cancelReset } = createPasswordReset({
    clock,
    audit,
    mutate,
    queries,
    revise,
    credentials,
    passwords,
    waitingMs,
  });
  return {
    ...lookUp,
    ...createCreation({ db, audit, mutate, idempotency, passwords, queries, insert, get: lookUp.get }),
    ...change,
    ...createPasswordChange({ db, audit, mutate, queries, revise, credentials, passwords, throttle, reset }),
    erasing: createErasing({ seals, queries, revise, credentials, closedIdentities }),
    cancelReset,
    insert,
  };
};
