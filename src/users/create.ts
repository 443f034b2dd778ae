import type { Actor, Audit, AuditDetails } from '../audit/index.ts';
import type { Role } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { OwnerKeys, Unsealed } from '../keys/index.ts';
import { usernameKey } from './user.ts';

/** A user about to be made, every field checked and the password hashed already. */
export interface NewUser {
  readonly id: UserId;
  readonly username: string;
  readonly passwordHash: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly role: Role;
  readonly metadata: JsonObject;
  readonly external: { readonly issuer: string; readonly subject: string } | null;
}

export const usernameTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError(
    'name_taken',
    'This username is taken. Choose another; names that differ in case or width only are the same.',
    { cause },
  );

interface Deps {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly ownerKeys: OwnerKeys;
}

/** Who makes the user, for the record, and why where no administrator does. */
export interface Creation {
  readonly actor: Actor;
  readonly reason?: 'bootstrap' | 'issuer';
  readonly details: AuditDetails['user.create'];
}

const rowOf = (user: NewUser, now: Date): Unsealed<'users'> => ({
  id: user.id,
  username: user.username,
  username_key: usernameKey(user.username),
  email: user.email,
  display_name: user.displayName,
  password_hash: user.passwordHash,
  previous_password_hash: null,
  password_reset_at: null,
  issuer: user.external?.issuer ?? null,
  subject: user.external?.subject ?? null,
  role: user.role,
  status: 'active',
  secrets_from: null,
  metadata: user.metadata,
  revision: 1,
  created_at: now,
  updated_at: now,
});

/**
 * Writes a user together with their first owner key and the record of it, so that nobody is ever without a key. Throws
 * `name_taken`, which ends the transaction: check before, and let this be the answer of a race.
 */
export const insertUser = async (
  { clock, audit, ownerKeys }: Deps,
  tx: Tx,
  user: NewUser,
  { actor, reason, details }: Creation,
): Promise<UserId> => {
  const entry = {
    action: 'user.create',
    target: { type: 'user', id: user.id },
    outcome: 'allowed',
    reason: reason ?? null,
    details,
  } as const;
  const rows = [
    { table: 'users', rows: [rowOf(user, clock.now())] },
    { table: 'owner_keys', rows: [ownerKeys.newKey(user.id)] },
  ] as const;
  try {
    await audit.insert(tx, rows, [{ actor, entry }]);
    return user.id;
  } catch (error) {
    if (violatedIndex(error) !== undefined) throw usernameTaken(error);
    throw error;
  }
};
