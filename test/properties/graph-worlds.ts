import fc from 'fast-check';
import type { Caller } from '../../src/core/caller.ts';
import { newId, type SecretId, type SessionId, type TokenId, type UserId } from '../../src/core/ids.ts';
import { type Permission, permissionsOfRole } from '../../src/core/permissions.ts';
import { anyWorld, isJoined, mostly, nth, subjectOf, type World, type WorldDraft, worldOf } from './worlds.ts';

/*
 * A world of people, sessions and secrets, with what they remember of it. As there, a draft is generated as plain data, and
 * from it come both the rows in the database and, by another way, what each caller should see.
 */

const hour = 3_600_000;

/** A node, by what it is and its number among those; numbers beyond the last one start again. */
interface RefDraft {
  readonly kind: 'entity' | 'user' | 'session' | 'secret' | 'use';
  readonly index: number;
}

interface PlaceDraft {
  readonly of: 'user' | 'session';
  readonly index: number;
}

interface TimesDraft {
  /** Milliseconds from the moment that decides. */
  readonly validIn: number | null;
  readonly invalidIn: number | null;
}

interface EntityDraft {
  readonly place: PlaceDraft;
  readonly type: string;
  readonly name: string;
  readonly isActivity: boolean;
  readonly author: number | null;
  readonly merged: boolean;
  readonly aliased: boolean;
}

interface UseDraft {
  readonly actor: number;
  readonly secret: number;
  readonly session: number | null;
  readonly action: 'secret.reveal' | 'secret.look';
  readonly outcome: 'allowed' | 'refused';
  /** The activity that contains it. */
  readonly activity: number | null;
}

type ObservationDraft = TimesDraft & { readonly about: RefDraft; readonly place: PlaceDraft; readonly author: number };
type RelationDraft = TimesDraft & {
  readonly from: RefDraft;
  readonly to: RefDraft;
  readonly type: string;
  readonly place: PlaceDraft;
};

export const callerKinds = {
  login: { bound: false, without: [] },
  'waiting login': { bound: false, without: [] },
  'without secrets:list': { bound: false, without: ['secrets:list'] },
  'without sessions:read': { bound: false, without: ['sessions:read'] },
  'graph alone': { bound: false, without: ['secrets:list', 'sessions:read'] },
  bound: { bound: true, without: ['graph:own', 'secrets:own'] },
  'bound with secrets:own': { bound: true, without: ['graph:own'] },
  'bound with graph:own': { bound: true, without: ['secrets:own'] },
} as const satisfies Record<string, { readonly bound: boolean; readonly without: readonly Permission[] }>;
export type CallerKind = keyof typeof callerKinds;

interface GraphCallerDraft {
  readonly kind: CallerKind;
  readonly user: number;
  /** Among the sessions that the user has joined. */
  readonly session: number | null;
}

export interface GraphDraft {
  readonly world: WorldDraft;
  readonly entities: readonly EntityDraft[];
  readonly uses: readonly UseDraft[];
  readonly observations: readonly ObservationDraft[];
  readonly relations: readonly RelationDraft[];
  readonly metadata: readonly { readonly user: number; readonly about: RefDraft }[];
  readonly callers: readonly GraphCallerDraft[];
  /** Chooses what is asked about. */
  readonly pick: number;
}

const anyNumber = fc.nat(1000);
const times = {
  validIn: mostly<number | null>(null, -2 * hour, 2 * hour),
  invalidIn: mostly<number | null>(null, -hour, 3 * hour),
};
const place: fc.Arbitrary<PlaceDraft> = fc.record({ of: fc.constantFrom('user', 'session'), index: anyNumber });
const ref: fc.Arbitrary<RefDraft> = fc.record({
  kind: fc.constantFrom('entity', 'entity', 'entity', 'user', 'session', 'secret', 'use'),
  index: anyNumber,
});

const graphDraft = (world: WorldDraft): fc.Arbitrary<GraphDraft> =>
  fc.record({
    world: fc.constant(world),
    entities: fc.array(
      fc.record({
        place,
        type: fc.constantFrom('CONCEPT', 'TASK', 'user'),
        name: fc.constantFrom('Acme', 'Ada', 'ada'),
        isActivity: mostly(false, true, true),
        author: fc.option(anyNumber, { freq: 6 }),
        merged: mostly(false, true),
        aliased: fc.boolean(),
      }),
      { minLength: 3, maxLength: 10 },
    ),
    uses: fc.array(
      fc.record({
        actor: anyNumber,
        secret: anyNumber,
        session: fc.option(anyNumber, { freq: 3 }),
        action: mostly<UseDraft['action']>('secret.reveal', 'secret.look'),
        outcome: mostly<UseDraft['outcome']>('allowed', 'refused'),
        activity: fc.option(anyNumber, { freq: 2 }),
      }),
      { minLength: 2, maxLength: 8 },
    ),
    observations: fc.array(fc.record({ about: ref, place, author: anyNumber, ...times }), { maxLength: 14 }),
    relations: fc.array(
      fc.record({ from: ref, to: ref, type: fc.constantFrom('knows', 'depends_on', 'owns'), place, ...times }),
      { minLength: 4, maxLength: 18 },
    ),
    metadata: fc.array(fc.record({ user: anyNumber, about: ref }), { maxLength: 4 }),
    callers: fc.array(
      fc.record({
        kind: fc.constantFrom(...(Object.keys(callerKinds) as CallerKind[])),
        user: anyNumber,
        session: fc.option(anyNumber, { freq: 5 }),
      }),
      { minLength: 2, maxLength: 2 },
    ),
    pick: fc.nat(),
  });

/** In each world some users are active, as whoever makes a request is. */
export const anyGraphWorld: fc.Arbitrary<GraphDraft> = anyWorld
  .filter(({ users }) => users.some((user) => user.status === 'active'))
  .chain(graphDraft);

export type Kind = RefDraft['kind'];

export interface Ref {
  readonly kind: Kind;
  readonly id: string;
}

/** Where facts live. */
export interface GraphScope {
  readonly id: string;
  readonly userId: UserId | null;
  readonly sessionId: SessionId | null;
}

interface FactTimes {
  readonly validAt: Date | null;
  readonly invalidAt: Date | null;
}

export interface GraphEntity {
  readonly id: string;
  readonly scope: GraphScope;
  readonly type: string;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly tags: readonly string[];
  readonly attributes: { readonly note: string };
  readonly isActivity: boolean;
  readonly authorId: UserId | null;
  readonly mergedId: string | null;
}

export interface GraphUse {
  readonly id: string;
  readonly actorId: UserId;
  readonly secretId: SecretId;
  readonly sessionId: SessionId | null;
  readonly action: UseDraft['action'];
  readonly outcome: UseDraft['outcome'];
  readonly activityId: string | null;
}

export interface GraphObservation extends FactTimes {
  readonly id: string;
  readonly about: Ref;
  readonly scope: GraphScope;
  readonly content: string;
  /** A word that no other text has. */
  readonly word: string;
  readonly authorId: UserId;
}

export interface GraphRelation extends FactTimes {
  readonly id: string;
  readonly from: Ref;
  readonly to: Ref;
  readonly type: string;
  readonly scope: GraphScope;
}

export interface GraphMetadata {
  readonly about: Ref;
  readonly scope: GraphScope;
  readonly metadata: { readonly kept: string };
}

/** A draft with ids and times. */
export interface GraphWorld {
  readonly base: World;
  readonly scopes: readonly GraphScope[];
  readonly entities: readonly GraphEntity[];
  readonly uses: readonly GraphUse[];
  readonly observations: readonly GraphObservation[];
  readonly relations: readonly GraphRelation[];
  readonly metadata: readonly GraphMetadata[];
}

const around = <T>(items: readonly T[], index: number): T => nth(items, index % items.length);

const fixed = (letter: string, index: number): string => `${letter}k${String(index).padStart(3, '0')}`;

const entitiesOf = (draft: GraphDraft, base: World, scopeOf: (place: PlaceDraft) => GraphScope): GraphEntity[] => {
  const taken = new Set<string>();
  return draft.entities.map((entity, index) => {
    const scope = scopeOf(entity.place);
    const isTaken = taken.has(`${scope.id} ${entity.name}`);
    taken.add(`${scope.id} ${entity.name}`);
    return {
      id: newId<string>(),
      scope,
      type: entity.type,
      name: isTaken ? `${entity.name} ${fixed('n', index)}` : entity.name,
      aliases: entity.aliased ? [fixed('l', index)] : [],
      tags: ['tagged', fixed('t', index)],
      attributes: { note: fixed('a', index) },
      isActivity: entity.isActivity,
      authorId: entity.author === null ? null : around(base.users, entity.author).id,
      mergedId: entity.merged ? newId<string>() : null,
    };
  });
};

/** Of the relations of one world, no two say the same. */
const distinct = (relations: readonly GraphRelation[]): GraphRelation[] => [
  ...new Map(relations.map((one) => [[one.from.id, one.to.id, one.type, one.scope.id].join(' '), one])).values(),
];

const timesOf = ({ validIn, invalidIn }: TimesDraft, moment: Date): FactTimes => {
  const at = (offset: number | null) => (offset === null ? null : new Date(moment.getTime() + offset));
  return { validAt: at(validIn), invalidAt: at(invalidIn) };
};

export const graphWorldOf = (draft: GraphDraft): GraphWorld => {
  const base = worldOf(draft.world);
  const own = base.users.map((user): GraphScope => ({ id: newId<string>(), userId: user.id, sessionId: null }));
  const shared = base.sessions.map(({ id }): GraphScope => ({ id: newId<string>(), userId: null, sessionId: id }));
  const scopeOf = ({ of, index }: PlaceDraft): GraphScope => around(of === 'user' ? own : shared, index);
  const entities = entitiesOf(draft, base, scopeOf);
  const activities = entities.filter((entity) => entity.isActivity);
  const uses = draft.uses.map(({ action, outcome, ...use }) => ({
    id: newId<string>(),
    actorId: around(base.users, use.actor).id,
    secretId: around(base.secrets, use.secret).id,
    sessionId: use.session === null ? null : around(base.sessions, use.session).id,
    action,
    outcome,
    activityId: use.activity === null || activities.length === 0 ? null : around(activities, use.activity).id,
  }));
  const nodes = { entity: entities, user: base.users, session: base.sessions, secret: base.secrets, use: uses };
  const refOf = ({ kind, index }: RefDraft): Ref => ({ kind, id: around<{ id: string }>(nodes[kind], index).id });
  const observations = draft.observations.map((one, index) => ({
    id: newId<string>(),
    about: refOf(one.about),
    scope: scopeOf(one.place),
    content: `Commonplace ${fixed('o', index)}`,
    word: fixed('o', index),
    authorId: around(base.users, one.author).id,
    ...timesOf(one, base.moment),
  }));
  const relations = draft.relations.flatMap((one): GraphRelation[] => {
    const [from, to] = [refOf(one.from), refOf(one.to)];
    // A word of a derived relation is refused where an end is derived.
    const type = one.type === 'owns' && (from.kind !== 'entity' || to.kind !== 'entity') ? 'knows' : one.type;
    return [{ id: newId<string>(), from, to, type, scope: scopeOf(one.place), ...timesOf(one, base.moment) }];
  });
  const metadata = draft.metadata.flatMap(({ user, about }, index): GraphMetadata[] => {
    const scope = around(own, user);
    return about.kind === 'entity' ? [] : [{ about: refOf(about), scope, metadata: { kept: fixed('m', index) } }];
  });
  return {
    ...{ base, entities, uses, observations, relations: distinct(relations) },
    scopes: [...own, ...shared],
    metadata: [...new Map(metadata.map((one) => [`${one.about.id} ${one.scope.id}`, one])).values()],
  };
};

/** The caller as authentication would make it: active, and in a session only where they are present. */
export const graphCallerOf = (draft: GraphDraft, world: World, { kind, user, session }: GraphCallerDraft): Caller => {
  const active = world.users.flatMap((one, index) => (one.status === 'active' ? [index] : []));
  const number = around(active, user);
  const joined = world.sessions.flatMap((one, index) => (isJoined(one, number) ? [index] : []));
  const chosen = session === null || joined.length === 0 ? null : around(joined, session);
  const { bound, without } = callerKinds[kind];
  const permissions = permissionsOfRole('member').filter((one) => !(without as readonly Permission[]).includes(one));
  const subject = subjectOf(world, {
    user: number,
    session: chosen,
    bound: bound && chosen !== null,
    waiting: kind === 'waiting login',
    permissions,
  });
  return {
    ...subject,
    role: 'member',
    agent: null,
    credential: { kind: 'token', id: newId<TokenId>() },
    sessionNames: { issuer: null, claim: null, unverified: [] },
    verifiedRows: [],
    expiresAt: null,
    origin: { requestId: `world ${draft.pick}`, ip: null, userAgent: null },
  };
};
