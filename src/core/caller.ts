import type { LoginId, TokenId, UserId, VerifiedSessionId } from './ids.ts';
import type { Permission } from './permissions.ts';

export const roles = ['member', 'auditor', 'admin'] as const;
export type Role = (typeof roles)[number];

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

/** A sealed row that let a caller in, and its seal then: any change of the row that matters changes the seal. */
export interface RowVersion {
  readonly table: 'logins' | 'tokens' | 'users';
  readonly id: string;
  readonly seal: Uint8Array;
}

/**
 * Who is asking: a user, optionally through an agent, optionally inside a session. Made by authentication for
 * one request and never kept beyond it.
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
  readonly origin: RequestOrigin;
}

/**
 * The same caller as one who may see metadata: for finding what another permission is about, where nothing of it is
 * shown but to whoever the rule allows that other thing.
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
  origin: { requestId: command, ip: null, userAgent: null },
});

export const isOperator = (caller: Pick<Caller, 'credential'>): boolean => caller.credential.kind === 'operator';
