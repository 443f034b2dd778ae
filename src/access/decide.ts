import type { Caller } from '../core/caller.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Permission } from '../core/permissions.ts';
import type { Exposure, Scope, SecretState } from '../core/secret-types.ts';

export const actions = ['list', 'reveal', 'use', 'write', 'share', 'manage'] as const;
export type Action = (typeof actions)[number];

/** What the rule needs to know about a secret, all of it from rows whose seals were verified. */
export interface SecretFacts {
  readonly ownerId: UserId;
  /** False while the owner is disabled or erased: nobody can then use their secrets. */
  readonly ownerActive: boolean;
  /** True when the owner is a present participant of the caller's verified session. */
  readonly ownerPresent: boolean;
  readonly scope: Scope;
  readonly sessionId: string | null;
  readonly sharedWith: readonly UserId[];
  readonly isActive: boolean;
  readonly expiresAt: Date | null;
  readonly deletedAt: Date | null;
  readonly exposure: Exposure;
}

/** The part of the caller that the rule looks at. */
export type Subject = Pick<Caller, 'userId' | 'permissions' | 'session' | 'boundToSession' | 'waiting'>;

export type AccessBasis = 'owner' | 'session' | 'shared';

/**
 * Why an action is refused. `nothing` means that for this caller the secret does not exist. The other reasons are shown only
 * to callers who may know that it does: `permission` and `waiting` are about the credential, `owner_only` and `use_only`
 * about the rule, the rest about the state of the secret.
 */
export type Refusal = 'permission' | 'waiting' | 'nothing' | 'owner_only' | 'use_only' | UnusableState;

/** The states in which nobody can use a secret's value. */
type UnusableState = Exclude<SecretState, 'live'>;

export type Decision =
  | { readonly allowed: true; readonly basis: AccessBasis }
  | { readonly allowed: false; readonly reason: Refusal };

const refused = (reason: Refusal): Decision => ({ allowed: false, reason });

const permissionOf: Record<Action, Permission> = {
  list: 'secrets:list',
  reveal: 'secrets:reveal',
  use: 'secrets:use',
  write: 'secrets:write',
  share: 'secrets:share',
  manage: 'secrets:manage',
};

/** True for the actions that need a usable value. */
const needsValue = (action: Action): boolean => action === 'reveal' || action === 'use';

/** True at and after `expiresAt`, to the millisecond. No job has to run for a secret to expire. */
export const isExpired = (secret: Pick<SecretFacts, 'expiresAt'>, now: Date): boolean =>
  secret.expiresAt !== null && secret.expiresAt.getTime() <= now.getTime();

/** The state in which nobody can use the secret's value, or null while it can be used. */
const unusableState = (facts: SecretFacts, now: Date): UnusableState | null => {
  if (facts.deletedAt !== null) return 'deleted';
  if (!facts.isActive) return 'inactive';
  return isExpired(facts, now) ? 'expired' : null;
};

const inSession = (session: VerifiedSessionId | null, facts: SecretFacts): boolean =>
  session !== null && facts.scope === 'session' && facts.sessionId === session;

/** A credential that is bound to a session reaches only that session's secrets, unless it carries `secrets:own`. */
const isWithinBinding = (subject: Subject, facts: SecretFacts): boolean =>
  !subject.boundToSession || subject.permissions.has('secrets:own') || inSession(subject.session, facts);

/** How this caller comes to have access to the secret, or null when they have none. */
const basisOf = (subject: Subject, facts: SecretFacts | null): AccessBasis | null => {
  if (facts === null || !facts.ownerActive || !isWithinBinding(subject, facts)) return null;
  if (facts.ownerId === subject.userId) return 'owner';
  if (inSession(subject.session, facts) && facts.ownerPresent) return 'session';
  return facts.scope === 'shared' && facts.sharedWith.includes(subject.userId) ? 'shared' : null;
};

const decideForOwner = (action: Action, facts: SecretFacts, now: Date): Decision => {
  const state = unusableState(facts, now);
  if (state !== null && needsValue(action)) return refused(state);
  if (state === 'deleted' && (action === 'write' || action === 'share')) return refused('deleted');
  return { allowed: true, basis: 'owner' };
};

const decideForOthers = (
  action: Action,
  facts: SecretFacts,
  basis: Exclude<AccessBasis, 'owner'>,
  now: Date,
): Decision => {
  if (unusableState(facts, now) !== null) return refused('nothing');
  if (action !== 'list' && !needsValue(action)) return refused('owner_only');
  if (action === 'reveal' && facts.exposure === 'use') return refused('use_only');
  return { allowed: true, basis };
};

/**
 * The access rule, and the only place that decides about a secret. Pure. The caller passes the later of the service's and
 * the database's clock as `now`, and a `subject.session` that was verified for this request. Null facts stand for a secret
 * that never existed. visible.ts says the same rule in SQL, and a property test keeps the two equal.
 */
export const decide = (subject: Subject, action: Action, facts: SecretFacts | null, now: Date): Decision => {
  if (!subject.permissions.has(permissionOf[action])) return refused('permission');
  const basis = basisOf(subject, facts);
  if (facts === null || basis === null) return refused('nothing');
  const decision = basis === 'owner' ? decideForOwner(action, facts, now) : decideForOthers(action, facts, basis, now);
  // `nothing` comes first, so that a waiting credential cannot be used to find out which secrets exist.
  const hidden = !decision.allowed && decision.reason === 'nothing';
  return subject.waiting && action !== 'list' && !hidden ? refused('waiting') : decision;
};

/**
 * Whether the subject may put a secret into this scope by creation, import or transfer. A credential that is bound to a
 * session may put secrets only there, unless it carries `secrets:own`.
 */
export const mayPlace = (subject: Subject, scope: Scope, sessionId: string | null): boolean =>
  !subject.boundToSession ||
  subject.permissions.has('secrets:own') ||
  (scope === 'session' && sessionId !== null && sessionId === subject.session);
