import { invalid, type KeyholdError } from '../core/errors.ts';
import type { UserRow } from '../db/tables/index.ts';

/** What everybody who is logged in can see of a user: enough to choose a user to share with. */
export interface UserCard {
  readonly id: string;
  readonly username: string;
  readonly display_name: string | null;
}

/** What users see of themselves, and administrators of everybody. */
export interface UserView extends UserCard {
  readonly email: string | null;
  readonly role: UserRow['role'];
  readonly status: UserRow['status'];
  readonly issuer: string | null;
  /** After an administrator's reset: the time until which a new login opens no secret. */
  readonly secrets_from: Date | null;
  readonly metadata: UserRow['metadata'];
  readonly created_at: Date;
  readonly updated_at: Date;
}

export const cardOf = (row: UserRow): UserCard => ({
  id: row.id,
  username: row.username,
  display_name: row.display_name,
});

export const viewOf = (row: UserRow): UserView => ({
  ...cardOf(row),
  email: row.email,
  role: row.role,
  status: row.status,
  issuer: row.issuer,
  secrets_from: row.secrets_from,
  metadata: row.metadata,
  created_at: row.created_at,
  updated_at: row.updated_at,
});

/**
 * The one canonical form of a username, used in every write and every check: NFKC, trimmed, case-folded. Upper then
 * lower case folds what lower case alone leaves apart (ß and ss, final sigma).
 */
export const usernameKey = (username: string): string =>
  username.normalize('NFKC').trim().toUpperCase().toLowerCase().normalize('NFKC');

/** Characters that are invisible or change the reading direction, and so let one name pass for another. */
const deceptive = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Why this text cannot be a username, or null. */
export const usernameError = (username: string): KeyholdError | null => {
  if (username !== username.trim() || username === '')
    return invalid('username', 'must not be empty, or begin or end with white space.');
  if (deceptive.test(username)) return invalid('username', 'must not contain control or invisible characters.');
  if ([...username].length > 128) return invalid('username', 'must have at most 128 characters.');
  const key = usernameKey(username);
  return key === '' || [...key].length > 256 ? invalid('username', 'has no usable canonical form.') : null;
};

/** Why this text cannot be a password, or null. Length is the only rule; it is counted in characters, not in bytes. */
export const passwordError = (field: string, password: string): KeyholdError | null => {
  const length = [...password].length;
  return length < 12 || length > 128 ? invalid(field, 'must have 12 to 128 characters.') : null;
};
