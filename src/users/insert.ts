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

/** A user about to be made, with every field validated and the password hashed. */
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

/** Who makes the user, for the record, and why if it is no administrator. */
export interface Creation {
  readonly actor: Actor;
  readonly reason?: 'bootstrap' | 'issuer';
  readonly details: AuditDetails['user.create'];
}

export const usernameTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError(
    'name_taken',
    'This username is taken. Choose another one. Usernames that differ only in case or width count as the same.',
    { cause },
  );

interface Deps {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly ownerKeys: OwnerKeys;
}

export type InsertUser = ReturnType<typeof createInsertUser>;

export const createInsertUser =
  ({ clock, audit, ownerKeys }: Deps) =>
  /**
   * Writes a user together with their first owner key and the record of it, so that nobody is ever without a key. Throws
   * `name_taken`, which ends the transaction: look for the username before, and let this be the answer of a race.
   */
  async (tx: Tx, user: NewUser, { actor, reason, details }: Creation): Promise<UserId> => {
    const entry = {
      action: 'user.create',
      target: { type: 'user', id: user.id },
      outcome: 'allowed',
      reason: reason ?? null,
      details,
    } as const;
    const { newKey } = await ownerKeys.wrapping(tx);
    const rows = [
      { table: 'users', rows: [rowOf(user, clock.now())] },
      { table: 'owner_keys', rows: [await newKey(user.id)] },
    ] as const;
    try {
      await audit.insert(tx, rows, [{ actor, entry }]);
      return user.id;
    } catch (error) {
      if (violatedIndex(error) !== undefined) throw usernameTaken(error);
      throw error;
    }
  };

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
