import type { LoginId, TokenId, UserId, VerifiedSessionId } from './ids.ts';
import type { Permission, Role } from './permissions.ts';
import type { RowVersion } from './row-version.ts';

export type { Role } from './permissions.ts';

/** Where a request came from, for the record of what was done. */
export interface RequestOrigin {
  readonly requestId: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** What proved who is asking. It is looked at afresh in every request and again, locked, in every write. */
export type Credential =
  | { readonly kind: 'login'; readonly id: LoginId }
  | { readonly kind: 'token'; readonly id: TokenId }
  | { readonly kind: 'issuer'; readonly issuer: string }
  | { readonly kind: 'operator' };

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
  /** True while an administrator's password reset waits to be called off: such a credential only looks around. */
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

/** The nil UUID (RFC 9562): nobody's, since ids are made by the service and an issuer's nil is refused. */
export const nobody = '00000000-0000-0000-0000-000000000000' as UserId;

/**
 * Who works beside the service with its configuration and its root key, on its machine. Made by the server-side commands
 * only, never by authentication. It administers; like any administrator it reaches nobody's secrets.
 */
export const operator = (command: string): Caller => ({
  userId: nobody,
  role: 'admin',
  agent: null,
  credential: { kind: 'operator' },
  permissions: new Set(['admin']),
  session: null,
  boundToSession: false,
  waiting: false,
  verifiedRows: [],
  expiresAt: null,
  origin: { requestId: command, ip: null, userAgent: null },
});

export const isOperator = (caller: Pick<Caller, 'credential'>): boolean => caller.credential.kind === 'operator';
