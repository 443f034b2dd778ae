import type { Mutate } from '../access/index.ts';
import type { Audit, AuditAction, AuditDetails } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Db, Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { OwnerKeys, Seals } from '../keys/index.ts';
import type { ClosedIdentities } from './closed-identities.ts';
import { createUserCredentials, type UserCredentials } from './credentials.ts';
import type { Passwords } from './passwords.ts';
import { createQueries, type UserQueries } from './queries.ts';
import type { Throttle } from './throttle.ts';

export interface UsersDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly closedIdentities: ClosedIdentities;
  readonly ownerKeys: OwnerKeys;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly passwords: Passwords;
  /** Bounds how often somebody may guess; it throws `rate_limited`. */
  readonly throttle: Throttle;
  /** How long a password that an administrator set waits before it opens secrets, in milliseconds. */
  readonly waitingMs: number;
}

/** What the parts of this domain have in common. */
export interface UsersContext extends UsersDeps {
  readonly queries: UserQueries;
  readonly credentials: UserCredentials;
  /** Writes a change under a new revision. */
  change(tx: Tx, row: UserRow, changes: Partial<UserRow>): Promise<UserRow>;
  /** Records that a user was changed. */
  allow<A extends AuditAction>(tx: Tx, caller: Caller, action: A, id: UserId, details: AuditDetails[A]): Promise<void>;
  /** Refuses, on the record. */
  refuse(
    tx: Tx,
    caller: Caller,
    action: AuditAction,
    id: UserId | null,
    error: KeyholdError,
  ): Promise<{ readonly refused: KeyholdError }>;
  isLastAdmin(tx: Tx, id: UserId): Promise<boolean>;
}

export const isAdmin = (caller: Caller): boolean => caller.permissions.has('admin');

export const adminNeeded = (): KeyholdError =>
  new KeyholdError('permission_missing', 'Only an administrator may do this.');

export const lastAdmin = (): KeyholdError =>
  new KeyholdError('state_conflict', 'This is the last active administrator. Make another one first.');

export const createContext = (deps: UsersDeps): UsersContext => {
  const { clock, seals, audit } = deps;
  const queries = createQueries(seals);
  return {
    ...deps,
    queries,
    credentials: createUserCredentials({ seals, clock }),
    change: (tx, row, changes) =>
      seals.update(tx, 'users', row, { ...changes, revision: row.revision + 1, updated_at: clock.now() }),
    allow: (tx, caller, action, id, details) =>
      audit.allow(tx, caller, action, { target: { type: 'user', id }, details }),
    refuse: (tx, caller, action, id, error) =>
      audit.refuse(tx, caller, action, id === null ? null : { type: 'user', id }, error),
    isLastAdmin: async (tx, id) => !(await queries.activeAdmins(tx)).some((admin) => admin.id !== id),
  };
};
