/** One server and who one is there, as it lies in a profile's file. */
export interface Profile {
  readonly server: string;
  readonly username: string;
  readonly user_id: string;
  /** The stored token's id, by which it is revoked; null where it is not known. */
  readonly token_id: string | null;
  readonly expires_at: string | null;
  /** Where the token lies. */
  readonly credential: 'keyring' | 'file';
  /** The token itself, where `credential` is file. */
  readonly token?: string;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);

/** The profile that a file's text holds, or null where it is not one. */
export const readProfile = (text: string): Profile | null => {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { server, username, user_id, token_id, expires_at, credential, token } = parsed;
  const whole = isText(server) && isText(username) && isText(user_id) && isTextOrNull(token_id);
  if (!whole || !isTextOrNull(expires_at)) return null;
  const common = { server, username, user_id, token_id, expires_at };
  if (credential === 'keyring') return { ...common, credential };
  return credential === 'file' && isText(token) ? { ...common, credential, token } : null;
};

/** What a profile may be called: it is a file's name too. */
export const isProfileName = (name: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name);
