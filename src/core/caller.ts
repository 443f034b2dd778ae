import { type LoginId, nilId, type TokenId, type UserId, type VerifiedSessionId } from './ids.ts';
import type { Permission, Role } from './permissions.ts';
import type { RowVersion } from './row-version.ts';

export type { Role } from './permissions.ts';

/** Where a request came from, for the record of what was done. */
export interface RequestOrigin {
  readonly requestId: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** What proved who the caller is. Every request verifies it, and every write verifies it again under a lock. */
export type Credential =
  | { readonly kind: 'login'; readonly id: LoginId }
  | { readonly kind: 'token'; readonly id: TokenId }
  | { readonly kind: 'issuer'; readonly issuer: string }
  | { readonly kind: 'operator' };

/** The session that a token of an external issuer names by its session claim. */
export interface SessionClaim {
  readonly name: string;
  /** When the token was issued (`iat`), to the second before; null where it does not say so. */
  readonly issuedAt: Date | null;
}

/** How a request names sessions. */
export interface SessionNames {
  /** The external issuer in whose name space external ids lie; null where they are the user's own. */
  readonly issuer: string | null;
  readonly claim: SessionClaim | null;
  /** Names that were not verified, on the operations that settle them: those that join and start sessions. */
  readonly unverified: readonly string[];
}

const noSessionNames: SessionNames = { issuer: null, claim: null, unverified: [] };

/**
 * Who makes a request: a user, optionally through an agent, optionally inside a session. Authentication makes one for each
 * request, and nothing keeps it for longer.
 */
export interface Caller {
  readonly userId: UserId;
  readonly role: Role;
  readonly agent: string | null;
  readonly credential: Credential;
  readonly permissions: ReadonlySet<Permission>;
  /** The session named by the credential or the request, verified; null when none was named. */
  readonly session: VerifiedSessionId | null;
  /** True when the credential itself names the session: it then reaches that session's secrets only. */
  readonly boundToSession: boolean;
  readonly sessionNames: SessionNames;
  /** True while an administrator's password reset can still be cancelled: the credential can list, and nothing else. */
  readonly waiting: boolean;
  /** The rows of the credential and the user, as they were verified for this request. */
  readonly verifiedRows: readonly RowVersion[];
  /** When the credential's row expires; null where no row says so. */
  readonly expiresAt: Date | null;
  readonly origin: RequestOrigin;
}

/**
 * The same caller with permission to see metadata. It finds the secret that another permission is about; the caller is shown
 * nothing of it unless the rule allows that other action.
 */
export const withListPermission = (caller: Caller): Caller => ({
  ...caller,
  permissions: new Set([...caller.permissions, 'secrets:list' as const]),
});

/** The nil UUID (RFC 9562). It belongs to nobody: the service never makes it, and an issuer's nil is refused. */
export const nobody = nilId as UserId;

/**
 * The operator: somebody on the service's machine who has its configuration and root key. Only server-side commands make
 * this caller, never authentication. It can administer, but like any administrator it cannot reach anybody's secrets.
 */
export const operator = (command: string): Caller => ({
  userId: nobody,
  role: 'admin',
  agent: null,
  credential: { kind: 'operator' },
  permissions: new Set(['admin']),
  session: null,
  boundToSession: false,
  sessionNames: noSessionNames,
  waiting: false,
  verifiedRows: [],
  expiresAt: null,
  origin: { requestId: command, ip: null, userAgent: null },
});

export const isOperator = (caller: Pick<Caller, 'credential'>): boolean => caller.credential.kind === 'operator';
