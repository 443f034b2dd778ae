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
  | { readonly kind: 'issuer'; readonly issuer: string };

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
  readonly origin: RequestOrigin;
}

/**
 * The same caller as one who may see metadata: for finding what another permission is about, where nothing of it is
 * shown but to whoever the rule allows that other thing.
 */
export const alsoSeeing = (caller: Caller): Caller => ({
  ...caller,
  permissions: new Set([...caller.permissions, 'secrets:list' as const]),
});
