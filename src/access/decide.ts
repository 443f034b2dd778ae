import type { Caller } from '../core/caller.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Permission } from '../core/permissions.ts';
import type { Scope } from '../db/tables/index.ts';

export const actions = ['list', 'reveal', 'use', 'write', 'share', 'manage'] as const;
export type Action = (typeof actions)[number];

/** What the rule needs to know of a secret, each of it from a row whose seal was verified. */
export interface SecretFacts {
  readonly ownerId: UserId;
  /** False while the owner is disabled (or erased): their secrets rest. */
  readonly ownerActive: boolean;
  /** True when the owner is a present participant of the caller's verified session. */
  readonly ownerPresent: boolean;
  readonly scope: Scope;
  readonly sessionId: string | null;
  readonly sharedWith: readonly UserId[];
  readonly isActive: boolean;
  readonly expiresAt: Date | null;
  readonly deletedAt: Date | null;
  readonly exposure: 'reveal' | 'use';
}

/** The part of the caller on which the rule rests. */
export type Subject = Pick<Caller, 'userId' | 'permissions' | 'session' | 'boundToSession' | 'waiting'>;

export type AccessBasis = 'owner' | 'session' | 'shared';

/**
 * Why not. `nothing`: for this caller the secret doesn't exist. The others go to somebody who may know that it does:
 * `permission` and `waiting` are the credential's, `owner_only` and `use_only` the rule's, the rest the secret's state.
 */
export type Refusal =
  | 'permission'
  | 'waiting'
  | 'nothing'
  | 'owner_only'
  | 'use_only'
  | 'inactive'
  | 'expired'
  | 'deleted';

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

/** Actions that need the value to be in force. */
const appliesValue = (action: Action): boolean => action === 'reveal' || action === 'use';

/** True at and after `expiresAt`, to the millisecond; no job is needed for it. */
export const isExpired = (secret: Pick<SecretFacts, 'expiresAt'>, now: Date): boolean =>
  secret.expiresAt !== null && secret.expiresAt.getTime() <= now.getTime();

const restingState = (facts: SecretFacts, now: Date): 'deleted' | 'inactive' | 'expired' | null => {
  if (facts.deletedAt !== null) return 'deleted';
  if (!facts.isActive) return 'inactive';
  return isExpired(facts, now) ? 'expired' : null;
};

const inSession = (session: VerifiedSessionId | null, facts: SecretFacts): boolean =>
  session !== null && facts.scope === 'session' && facts.sessionId === session;

/** A credential bound to a session reaches that session's secrets only, unless it carries `secrets:own`. */
const withinReach = (subject: Subject, facts: SecretFacts): boolean =>
  !subject.boundToSession || subject.permissions.has('secrets:own') || inSession(subject.session, facts);

const relation = (subject: Subject, facts: SecretFacts | null): AccessBasis | null => {
  if (facts === null || !facts.ownerActive || !withinReach(subject, facts)) return null;
  if (facts.ownerId === subject.userId) return 'owner';
  if (inSession(subject.session, facts) && facts.ownerPresent) return 'session';
  return facts.scope === 'shared' && facts.sharedWith.includes(subject.userId) ? 'shared' : null;
};

const decideForOwner = (action: Action, facts: SecretFacts, now: Date): Decision => {
  const resting = restingState(facts, now);
  if (resting !== null && appliesValue(action)) return refused(resting);
  if (resting === 'deleted' && (action === 'write' || action === 'share')) return refused('deleted');
  return { allowed: true, basis: 'owner' };
};

const decideForOthers = (action: Action, facts: SecretFacts, basis: 'session' | 'shared', now: Date): Decision => {
  if (restingState(facts, now) !== null) return refused('nothing');
  if (action !== 'list' && !appliesValue(action)) return refused('owner_only');
  if (action === 'reveal' && facts.exposure === 'use') return refused('use_only');
  return { allowed: true, basis };
};

/**
 * The access rule, the only place that decides (design: the access rule). Pure: `now` is the later of the service's and
 * the database's clock, `subject.session` was verified for this request. Null facts are a secret
 * that never existed. The SQL predicate of lists is held equal to it.
 */
export const decide = (subject: Subject, action: Action, facts: SecretFacts | null, now: Date): Decision => {
  if (!subject.permissions.has(permissionOf[action])) return refused('permission');
  const basis = relation(subject, facts);
  if (facts === null || basis === null) return refused('nothing');
  const decision = basis === 'owner' ? decideForOwner(action, facts, now) : decideForOthers(action, facts, basis, now);
  // Behind the 404 of those who have nothing, so that a waiting credential is no oracle either.
  const hidden = !decision.allowed && decision.reason === 'nothing';
  return subject.waiting && action !== 'list' && !hidden ? refused('waiting') : decision;
};

/** A secret is placed somewhere: by creation, import or transfer. A bound credential places in its session only. */
export const mayPlace = (subject: Subject, scope: Scope, sessionId: string | null): boolean =>
  !subject.boundToSession ||
  subject.permissions.has('secrets:own') ||
  (scope === 'session' && sessionId !== null && sessionId === subject.session);
