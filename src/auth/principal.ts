import type { Credential, RequestOrigin, SessionClaim } from '../core/caller.ts';
import type { Permission } from '../core/permissions.ts';
import type { RowVersion } from '../core/row-version.ts';
import type { UserRow } from '../db/tables/index.ts';

/** Whom a credential belongs to and what it permits, before any session is verified. */
export interface Principal {
  readonly user: UserRow;
  readonly credential: Credential;
  readonly agent: string | null;
  readonly permissions: ReadonlySet<Permission>;
  /** The session that the credential itself names, not yet verified; null where it names none. */
  readonly sessionName: string | null;
  /** The external issuer in whose name space this credential's names of sessions lie; null where they are the user's own. */
  readonly sessionIssuer: string | null;
  /** The session that an external issuer's token names; null for other credentials. */
  readonly claim: SessionClaim | null;
  /** True while the credential waits because an administrator reset the user's password. */
  readonly waiting: boolean;
  /** The rows that this rests on, as they were verified. */
  readonly verifiedRows: readonly RowVersion[];
  /** When the credential's row expires; null where no row says so. */
  readonly expiresAt: Date | null;
}

/** Finds out whom a token belongs to, afresh each time. Throws the same `unauthenticated` for every token that is not valid. */
export type Identify = (origin: RequestOrigin, token: string) => Promise<Principal>;

/**
 * True for a credential that was made after a password reset whose waiting period is not over; earlier ones are not
 * affected. `now` is the service's own time: the end of the period gives access, so the database's clock has no say.
 */
export const isWaiting = (user: UserRow, createdAt: Date, now: Date): boolean =>
  user.secrets_from !== null &&
  user.password_reset_at !== null &&
  user.secrets_from.getTime() > now.getTime() &&
  createdAt.getTime() >= user.password_reset_at.getTime();
