import type { Role } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { OwnerKeys, Seals } from '../keys/index.ts';
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
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
}

/**
 * Writes a user together with their first owner key, so that nobody is ever without one. Throws `name_taken`, which ends
 * the transaction: check before, and let this be the answer of a race.
 */
export const insertUser = async ({ clock, seals, ownerKeys }: Deps, tx: Tx, user: NewUser): Promise<UserRow> => {
  const now = clock.now();
  try {
    const row = await seals.insert(tx, 'users', {
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
    await ownerKeys.create(tx, row.id);
    return row;
  } catch (error) {
    if (violatedIndex(error) !== undefined) throw usernameTaken(error);
    throw error;
  }
};
