/** A login at one server, as a profile's file holds it. */
export interface Profile {
  readonly server: string;
  readonly username: string;
  readonly user_id: string;
  /** The id by which the stored token can be revoked; null where it is unknown. */
  readonly token_id: string | null;
  readonly expires_at: string | null;
  /** Where the token is stored. */
  readonly credential: 'keyring' | 'file';
  /** The token itself, where `credential` is `file`. */
  readonly token?: string;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);

/** Parses the text of a profile's file; null where it is not a profile. */
export const readProfile = (text: string): Profile | null => {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { server, username, user_id, token_id, expires_at, credential, token } = parsed;
  const isComplete = isText(server) && isText(username) && isText(user_id) && isTextOrNull(token_id);
  if (!isComplete || !isTextOrNull(expires_at)) return null;
  const common = { server, username, user_id, token_id, expires_at };
  if (credential === 'keyring') return { ...common, credential };
  return credential === 'file' && isText(token) ? { ...common, credential, token } : null;
};

/** True for a valid profile name, which is also a file's name. */
export const isProfileName = (name: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name);
