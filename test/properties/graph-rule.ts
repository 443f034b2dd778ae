import { decide, type Subject } from '../../src/access/index.ts';
import type { Caller } from '../../src/core/caller.ts';
import type { UserId, VerifiedSessionId } from '../../src/core/ids.ts';
import { permissions } from '../../src/core/permissions.ts';
import type { Mode } from '../../src/graph/operations.ts';
import type { GraphEntity, GraphScope, GraphUse, GraphWorld, Kind, Ref } from './graph-worlds.ts';
import { factsFor, isJoined, isThere, type World, type WorldSecret } from './worlds.ts';

/*
 * Who sees what, said once more in plain code over the plain data of a world, from the design and not from the service.
 */

/** One caller's sight in one mode. */
export interface Eye {
  readonly world: GraphWorld;
  readonly caller: Caller;
  readonly mode: Mode;
  /** Everybody who must be allowed to see what is answered. */
  readonly viewers: readonly Subject[];
}

type Session = World['sessions'][number];

const numberOf = (world: World, userId: string): number => world.users.findIndex((user) => user.id === userId);

export const isPresentIn = (world: World, session: Session, userId: string): boolean =>
  isThere(session, numberOf(world, userId));

const presentIn = ({ base }: GraphWorld, sessionId: string | null): string[] => {
  const session = base.sessions.find((one) => one.id === sessionId);
  return session ? base.users.flatMap((user) => (isPresentIn(base, session, user.id) ? [user.id] : [])) : [];
};

/** True where a token reads its session's facts only. */
export const isConfined = (caller: Caller): boolean => caller.boundToSession && !caller.permissions.has('graph:own');

/** The mode of a read, or the code of its refusal. */
export const modeOf = (
  world: GraphWorld,
  caller: Caller,
  asked: Mode | undefined,
): Mode | 'invalid_request' | 'permission_missing' => {
  if (caller.session === null) return asked === undefined || asked === 'all' ? 'all' : 'invalid_request';
  if (asked === 'all' && isConfined(caller)) return 'permission_missing';
  return asked ?? (presentIn(world, caller.session).length > 1 ? 'audience' : 'session');
};

export const eyeOf = (world: GraphWorld, caller: Caller, mode: Mode): Eye => {
  const session = caller.session as VerifiedSessionId;
  const others = mode === 'audience' ? presentIn(world, session).filter((id) => id !== caller.userId) : [];
  const readers = others.map(
    (id): Subject => ({
      userId: id as UserId,
      session,
      permissions: new Set(permissions),
      boundToSession: false,
      waiting: false,
    }),
  );
  return { world, caller, mode, viewers: [caller, ...readers] };
};

export const seesScope = ({ world: { base }, caller, mode, viewers }: Eye, scope: GraphScope): boolean => {
  const session = base.sessions.find((one) => one.id === scope.sessionId);
  if (isConfined(caller)) return scope.sessionId === caller.session;
  if (session === undefined) return scope.userId === caller.userId && viewers.length === 1;
  if (mode === 'session') return session.id === caller.session;
  return viewers.every((one) => isPresentIn(base, session, one.userId));
};

const mayList = ({ base }: GraphWorld, viewer: Subject, secret: WorldSecret): boolean =>
  decide(viewer, 'list', factsFor(base, viewer, secret), base.moment).allowed;

const isShared = (secret: WorldSecret, owner: string, grantee: string): boolean =>
  secret.ownerId === owner && secret.scope === 'shared' && secret.sharedWithIds.some((id) => id === grantee);

/** Whether a viewer, of whom `only` is the one session that counts where there is one, sees a user. */
const knows = ({ world, caller }: Eye, viewer: Subject, userId: string): boolean => {
  const { base } = world;
  const confined = viewer === caller && isConfined(caller);
  const meets = (session: Session): boolean =>
    isJoined(session, numberOf(base, viewer.userId)) &&
    isPresentIn(base, session, userId) &&
    (!confined || session.id === caller.session);
  const shares = (secret: WorldSecret): boolean =>
    (isShared(secret, viewer.userId, userId) || isShared(secret, userId, viewer.userId)) &&
    mayList(world, viewer, secret);
  return viewer.userId === userId || base.sessions.some(meets) || base.secrets.some(shares);
};

const seesUser = (eye: Eye, id: string): boolean => {
  const user = eye.world.base.users.find((one) => one.id === id);
  return user?.status === 'active' && eye.viewers.every((viewer) => knows(eye, viewer, id));
};

const seesSession = (eye: Eye, id: string): boolean => {
  const { world, caller, viewers } = eye;
  const session = world.base.sessions.find((one) => one.id === id);
  if (session === undefined || !caller.permissions.has('sessions:read')) return false;
  if (isConfined(caller) && id !== caller.session) return false;
  return viewers.every((one) => isPresentIn(world.base, session, one.userId));
};

const seesSecret = ({ world, viewers }: Eye, id: string): boolean => {
  const secret = world.base.secrets.find((one) => one.id === id);
  return secret !== undefined && viewers.every((viewer) => mayList(world, viewer, secret));
};

const seesUse = ({ world, caller, viewers }: Eye, id: string): boolean => {
  const use = world.uses.find((one) => one.id === id);
  if (use?.action !== 'secret.reveal' || use.outcome !== 'allowed') return false;
  const secret = world.base.secrets.find((one) => one.id === use.secretId);
  const sees = (viewer: Subject): boolean => {
    if (secret?.ownerId === viewer.userId && mayList(world, viewer, secret)) return true;
    if (viewer === caller && isConfined(caller) && use.sessionId !== caller.session) return false;
    return use.actorId === viewer.userId || presentIn(world, use.sessionId).includes(viewer.userId);
  };
  return caller.permissions.has('secrets:list') && viewers.every(sees);
};

const seesEntity = (eye: Eye, id: string): boolean =>
  eye.world.entities.some((one) => one.id === id && seesScope(eye, one.scope));

export const sees = (eye: Eye, { kind, id }: Ref): boolean =>
  ({ entity: seesEntity, user: seesUser, session: seesSession, secret: seesSecret, use: seesUse })[kind](eye, id);

export const holds = (
  { validAt, invalidAt }: { readonly validAt: Date | null; readonly invalidAt: Date | null },
  moment: Date | null,
): boolean =>
  moment === null || ((validAt === null || validAt <= moment) && (invalidAt === null || invalidAt > moment));

/** Every node of a world, visible or not. */
export const nodesOf = ({ base, entities, uses }: GraphWorld): Ref[] => {
  const all: readonly (readonly [Kind, readonly { readonly id: string }[]])[] = [
    ...([['entity', entities] as const, ['user', base.users] as const, ['session', base.sessions] as const] as const),
    ...([['secret', base.secrets] as const, ['use', uses] as const] as const),
  ];
  return all.flatMap(([kind, nodes]) => nodes.map(({ id }) => ({ kind, id })));
};

export interface RuleEdge {
  readonly id: string | null;
  readonly type: string;
  readonly from: Ref;
  readonly to: Ref;
}

const derivedOf = (world: GraphWorld): RuleEdge[] => {
  const { base, entities, uses } = world;
  const edges: RuleEdge[] = [];
  const add = (type: string, from: Ref, to: Ref): unknown => edges.push({ id: null, type, from, to });
  const user = (id: string): Ref => ({ kind: 'user', id });
  for (const secret of base.secrets) {
    const node: Ref = { kind: 'secret', id: secret.id };
    add('owns', user(secret.ownerId), node);
    if (secret.sessionId !== null) add('has_secret', { kind: 'session', id: secret.sessionId }, node);
    for (const id of secret.sharedWithIds) add('shared_with', node, user(id));
  }
  for (const { id, owner } of base.sessions) {
    const node: Ref = { kind: 'session', id };
    add('owns', user(base.users[owner]?.id ?? ''), node);
    for (const one of presentIn(world, id)) {
      add('has_session', user(one), node);
      add('has_participant', node, user(one));
    }
  }
  for (const { id, actorId, secretId, activityId } of uses) {
    const node: Ref = { kind: 'use', id };
    add('used_secret', node, { kind: 'secret', id: secretId });
    add('performed_by', node, user(actorId));
    if (activityId !== null) add('contains', { kind: 'entity', id: activityId }, node);
  }
  for (const { id, scope, authorId } of entities.filter((one) => one.isActivity)) {
    const node: Ref = { kind: 'entity', id };
    if (authorId !== null) add('performed_by', node, user(authorId));
    if (scope.sessionId !== null) add('has_activity', { kind: 'session', id: scope.sessionId }, node);
  }
  return edges;
};

/** A share is visible to the secret's owner and to the grantee it points to. */
const seesShare = ({ world, viewers }: Eye, { type, from, to }: RuleEdge): boolean => {
  const owner = world.base.secrets.find((one) => one.id === from.id)?.ownerId;
  return type !== 'shared_with' || viewers.every(({ userId }) => userId === owner || userId === to.id);
};

/** The relations that are visible, of those that hold at the moment. */
export const edgesOf = (eye: Eye, moment: Date | null): RuleEdge[] => {
  const remembered = eye.world.relations.filter((one) => seesScope(eye, one.scope) && holds(one, moment));
  const derived = derivedOf(eye.world).filter((edge) => seesShare(eye, edge));
  return [...derived, ...remembered].filter(({ from, to }) => sees(eye, from) && sees(eye, to));
};

/** Uses are found from a user or a secret if they are the caller's own, of the caller's secrets, or of an activity. */
const isFoundUse = (eye: Eye, { actorId, secretId, activityId }: GraphUse): boolean => {
  const { userId } = eye.caller;
  const isOwners = eye.world.base.secrets.some((one) => one.id === secretId && one.ownerId === userId);
  return actorId === userId || isOwners || (activityId !== null && seesEntity(eye, activityId));
};

/** Whether a step from one of its ends finds the edge. */
export const isFoundFrom = (eye: Eye, { id, from, to }: RuleEdge, near: string): boolean => {
  if (near === from.id) return true;
  if (near !== to.id) return false;
  const use = id === null && from.kind === 'use' ? eye.world.uses.find((one) => one.id === from.id) : undefined;
  return use === undefined || isFoundUse(eye, use);
};

/** The nodes that the whole graph shows. */
export const wholeOf = (eye: Eye): Ref[] =>
  nodesOf(eye.world).filter((ref) => {
    const use = eye.world.uses.find((one) => ref.kind === 'use' && one.id === ref.id);
    return sees(eye, ref) && (use === undefined || isFoundUse(eye, use));
  });

/** The entity that an id leads to: itself, or what it was merged into. */
export const survivor = ({ entities }: GraphWorld, id: string): GraphEntity | undefined =>
  entities.find((one) => one.id === id || one.mergedId === id);
