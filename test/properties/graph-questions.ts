import { expect } from 'vitest';
import type { Caller } from '../../src/core/caller.ts';
import { KeyholdError } from '../../src/core/errors.ts';
import { newId } from '../../src/core/ids.ts';
import type {
  ActivityView,
  Direction,
  EntityView,
  GetAnswer,
  Graph,
  ListInput,
  Mode,
  NeighbourhoodAnswer,
  NodeView,
  PathAnswer,
  SearchAnswer,
  SearchInput,
  WholeAnswer,
} from '../../src/graph/operations.ts';
import {
  type Eye,
  edgesOf,
  eyeOf,
  isConfined,
  isFoundFrom,
  isPresentIn,
  modeOf,
  nodesOf,
  type RuleEdge,
  sees,
  seesScope,
  survivor,
  wholeOf,
} from './graph-rule.ts';
import { edgeView, metadataOf, observationsOf, sortedEdges, viewOf } from './graph-views.ts';
import type { GraphEntity, GraphWorld, Ref } from './graph-worlds.ts';

/* What is asked of a world, with what the rule says to it. */

export type Refused = {
  readonly refused: { readonly code: string; readonly message: string; readonly errors: unknown };
};

/** One question of a caller, and whether the answer is what the rule says. */
export interface Question {
  readonly title: string;
  ask(graph: Graph): Promise<unknown>;
  /** Throws unless the answer, or the refusal, is the right one. */
  check(outcome: unknown): void;
}

/** The answer to a question, or what was refused. */
export const outcomeOf = async (graph: Graph, question: Question): Promise<unknown> => {
  try {
    return await question.ask(graph);
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    return { refused: { code: error.code, message: error.message, errors: error.errors } };
  }
};

const codeOf = (outcome: unknown): string | undefined => (outcome as Partial<Refused>).refused?.code;

/** Chooses numbers below others, the same ones for the same start. */
const chooser = (start: number) => {
  let state = start >>> 0;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

/** What a read of a world is asked and answered with. */
interface Asked {
  readonly world: GraphWorld;
  readonly caller: Caller;
  readonly eye: Eye;
  readonly reading: { readonly mode?: Mode; readonly asOf?: Date };
  readonly choose: (below: number) => number;
}

const idsOf = (nodes: readonly { readonly id: string }[]): string[] => nodes.map((node) => node.id).sort();

const kindsOfTypes: Readonly<Record<string, string>> = {
  USER: 'user',
  SESSION: 'session',
  SECRET: 'secret',
  SECRET_USAGE: 'use',
};

/** Nodes with what they are, so that a failure says what is missing. */
const named = (nodes: readonly (Ref | NodeView)[]): string[] =>
  nodes.map((one) => `${'kind' in one ? one.kind : (kindsOfTypes[one.type] ?? 'entity')} ${one.id}`).sort();

const hour = 3_600_000;

/** A moment to ask about: mostly none. */
const asOfOf = ({ base }: GraphWorld, choose: Asked['choose']) => {
  const offset = [undefined, undefined, undefined, -90 * 60_000, -3 * hour, 150 * 60_000][choose(6)];
  return offset === undefined ? {} : { asOf: new Date(base.moment.getTime() + offset) };
};

const nowOf = ({ world, reading }: Asked): Date => reading.asOf ?? world.base.moment;
const everOf = ({ reading }: Asked): Date | null => reading.asOf ?? null;

/** Any node, an absent one now and then. */
const someRef = ({ world, choose }: Asked): Ref => {
  const all = nodesOf(world);
  const absent: Ref = { kind: 'entity', id: newId<string>() };
  return all[choose(all.length + 1)] ?? absent;
};

/** Any id of a node: that of a merged entity sometimes finds the other. */
const someId = (asked: Asked): { readonly id: string; readonly ref: Ref } => {
  const ref = someRef(asked);
  const merged = survivor(asked.world, ref.id)?.mergedId ?? null;
  return { ref, id: merged !== null && asked.choose(3) === 0 ? merged : ref.id };
};

const nearEdges = (eye: Eye, edges: readonly RuleEdge[], id: string): RuleEdge[] =>
  edges.filter((edge) => isFoundFrom(eye, edge, id));

const shownEdges = (world: GraphWorld, edges: readonly RuleEdge[]) =>
  sortedEdges(edges.map((edge) => edgeView(world, edge)));

const entityView = ({ world, eye }: Asked, ref: Ref, moment: Date | null): EntityView => {
  const view = { ...viewOf(world, ref), observations: observationsOf(eye, ref, moment) };
  return ref.kind === 'entity' ? view : { ...view, metadata: metadataOf(eye, ref) };
};

const get = (asked: Asked): Question => {
  const { caller, eye, reading, world } = asked;
  const { id, ref } = someId(asked);
  const moment = everOf(asked);
  return {
    title: `get ${ref.kind} ${id}`,
    ask: (graph) => graph.get(caller, id, { ...reading, relations: true }),
    check: (outcome) => {
      if (!sees(eye, ref)) return expect(codeOf(outcome)).toBe('not_found');
      const { entity, relations = [], ...rest } = outcome as GetAnswer;
      expect(entity).toEqual(entityView(asked, ref, moment));
      expect(sortedEdges(relations)).toEqual(shownEdges(world, nearEdges(eye, edgesOf(eye, moment), ref.id)));
      expect(rest).toEqual({ observations_truncated: false, relations_truncated: false });
    },
  };
};

const placeOf = ({ world, choose }: Asked): { readonly session_id?: string | null } =>
  ([{}, {}, { session_id: null }, { session_id: world.base.sessions[0]?.id ?? null }] as const)[choose(4)] ?? {};

const isPlaced = ({ scope }: GraphEntity, { session_id }: { readonly session_id?: string | null }): boolean =>
  session_id === undefined || scope.sessionId === session_id;

const resolve = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const one = world.entities[choose(world.entities.length)];
  const name = one?.aliases[choose(2)] ?? one?.name ?? '';
  const place = placeOf(asked);
  const typed = choose(3) === 0 ? { type: 'TASK' } : {};
  const candidates = world.entities.filter(
    (entity) =>
      (entity.name === name || entity.aliases.includes(name)) &&
      sees(eye, { kind: 'entity', id: entity.id }) &&
      isPlaced(entity, place) &&
      (typed.type === undefined || entity.type === typed.type),
  );
  return {
    title: `resolve ${name} ${JSON.stringify({ ...place, ...typed })}`,
    ask: (graph) => graph.resolve(caller, { name, ...place, ...typed }, reading),
    check: (outcome) => {
      const [first, ...others] = candidates;
      if (first === undefined) return expect(codeOf(outcome)).toBe('not_found');
      if (others.length === 0)
        return expect(outcome).toEqual(entityView(asked, { kind: 'entity', id: first.id }, everOf(asked)));
      expect(codeOf(outcome)).toBe('state_conflict');
      const errors = (outcome as Refused).refused.errors as readonly { readonly detail: string }[];
      expect(errors.map(({ detail }) => detail.split(' ')[0]).sort()).toEqual(idsOf(candidates));
    },
  };
};

const saysAll = (words: readonly string[], ...texts: readonly string[]): boolean =>
  words.every((word) => texts.some((text) => text.toLowerCase().includes(word)));

/** The text of an entity that search looks through; of a derived node the name. */
const textOf = (world: GraphWorld, ref: Ref): string => {
  const entity = world.entities.find((one) => ref.kind === 'entity' && one.id === ref.id);
  if (!entity) return ref.kind === 'use' ? '' : (viewOf(world, ref).name ?? '');
  return [entity.name, ...entity.aliases, ...entity.tags, entity.attributes.note].join('\n');
};

const passes = ({ world }: Asked, ref: Ref, { type, tag }: Pick<SearchInput, 'type' | 'tag'>): boolean => {
  const view = viewOf(world, ref);
  return (
    (type === undefined || view.type === type) && (tag === undefined || (!view.derived && view.tags.includes(tag)))
  );
};

const matching = (asked: Asked, q: string, filter: Pick<SearchInput, 'type' | 'tag'>): Ref[] => {
  const { eye, world } = asked;
  const words = q.toLowerCase().split(' ');
  const found = nodesOf(world).filter((ref) => {
    const own = textOf(world, ref);
    const around = ref.kind === 'entity' ? own : '';
    const observed = observationsOf(eye, ref, nowOf(asked)).some(
      ({ content }) => saysAll(words, content, around) && words.some((word) => saysAll([word], content)),
    );
    return sees(eye, ref) && passes(asked, ref, filter) && (observed || saysAll(words, own));
  });
  return found;
};

const someQuery = ({ world, choose }: Asked): string => {
  const observed = world.observations.map((one) => one.word);
  const entity = world.entities[choose(world.entities.length)];
  const user = world.base.users[choose(world.base.users.length)]?.id ?? '';
  const session = world.base.sessions[choose(world.base.sessions.length)]?.id ?? '';
  const queries = [
    ...[observed[choose(observed.length)], observed[choose(observed.length)], 'Commonplace', 'Commonplace Acme'],
    ...[entity?.aliases[0], entity?.tags[1], entity?.attributes.note, entity?.name, 'tagged', 'KEY', user, session],
  ];
  return queries[choose(queries.length)] ?? 'Commonplace';
};

const search = (asked: Asked): Question => {
  const { caller, reading, eye, choose } = asked;
  const q = someQuery(asked);
  const filter = [{}, {}, {}, { type: 'CONCEPT' }, { type: 'SECRET' }, { tag: 'tagged' }][choose(6)] ?? {};
  return {
    title: `search ${q} ${JSON.stringify(filter)}`,
    ask: (graph) => graph.search(caller, { ...reading, ...filter, q, limit: 100 }),
    check: (outcome) => {
      const { results, truncated } = outcome as SearchAnswer;
      const matched = matching(asked, q, filter);
      expect(named(results.map(({ entity }) => entity))).toEqual(named(matched));
      expect(truncated).toBe(false);
      for (const { entity, matches } of results) {
        const ref = nodesOf(asked.world).find((one) => one.id === entity.id) as Ref;
        expect(entity).toEqual(viewOf(asked.world, ref));
        const visible = new Set(observationsOf(eye, ref, nowOf(asked)).map((one) => one.id));
        const quoted = matches.flatMap((one) => one.observation_id ?? []);
        expect(quoted.filter((id) => !visible.has(id))).toEqual([]);
      }
    },
  };
};

const isAlong = (
  near: string,
  { from, to, type }: RuleEdge,
  direction: Direction,
  types: readonly string[] | undefined,
) =>
  (types === undefined || types.includes(type)) &&
  ((direction !== 'in' && near === from.id) || (direction !== 'out' && near === to.id));

interface Walk {
  readonly hops: ReadonlyMap<string, number>;
  readonly edges: ReadonlySet<RuleEdge>;
}

/** Everything within some hops of a node. */
const walk = (
  eye: Eye,
  edges: readonly RuleEdge[],
  start: string,
  {
    hops: max,
    direction,
    types,
  }: { readonly hops: number; readonly direction: Direction; readonly types?: readonly string[] },
): Walk => {
  const hops = new Map([[start, 0]]);
  const passed = new Set<RuleEdge>();
  let frontier = [start];
  for (let level = 1; level <= max; level += 1) {
    const fresh = new Set<string>();
    for (const near of frontier)
      for (const edge of nearEdges(eye, edges, near).filter((one) => isAlong(near, one, direction, types))) {
        passed.add(edge);
        const far = edge.from.id === near ? edge.to.id : edge.from.id;
        if (!hops.has(far)) {
          hops.set(far, level);
          fresh.add(far);
        }
      }
    frontier = [...fresh];
  }
  return { hops, edges: passed };
};

const neighbourhood = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const { id, ref } = someId(asked);
  const types = [undefined, undefined, ['knows', 'owns'], ['has_participant', 'contains', 'performed_by']][choose(4)];
  const direction = (['both', 'both', 'in', 'out'] as const)[choose(4)] ?? 'both';
  const options = { hops: 1 + choose(4), direction, ...(types === undefined ? {} : { types }) };
  const limit = choose(4) === 0 ? 1 + choose(4) : 500;
  return {
    title: `neighbourhood of ${ref.kind} ${id} ${JSON.stringify({ ...options, limit })}`,
    ask: (graph) => graph.neighbourhood(caller, id, { ...reading, ...options, limit }),
    check: (outcome) => {
      if (!sees(eye, ref)) return expect(codeOf(outcome)).toBe('not_found');
      const { entities, relations, truncated } = outcome as NeighbourhoodAnswer;
      const reached = walk(eye, edgesOf(eye, nowOf(asked)), ref.id, options);
      const all = nodesOf(world).filter((one) => reached.hops.has(one.id));
      const shown = all.map((one) => ({ ...viewOf(world, one), hops: reached.hops.get(one.id) }));
      const expected = new Map(shown.map((one) => [one.id, one]));
      if (limit === 500) {
        expect(named(entities)).toEqual(named(all));
        expect(sortedEdges(relations)).toEqual(shownEdges(world, [...reached.edges]));
        expect(truncated).toBe(false);
      } else {
        expect(entities).toHaveLength(Math.min(limit, all.length));
        if (all.length > limit) expect(truncated).toBe(true);
        const allowed = shownEdges(world, [...reached.edges]);
        for (const edge of relations) expect(allowed).toContainEqual(edge);
      }
      for (const entity of entities) expect(entity).toEqual(expected.get(entity.id));
    },
  };
};

/** The fewest hops between two nodes, where a step finds an edge from one of its ends, or from both. */
const distance = (edges: readonly RuleEdge[], from: string, to: string): number => {
  const hops = new Map([[from, 0]]);
  for (const near of hops.keys())
    for (const edge of edges.filter((one) => one.from.id === near || one.to.id === near)) {
      const far = edge.from.id === near ? edge.to.id : edge.from.id;
      if (!hops.has(far)) hops.set(far, (hops.get(near) ?? 0) + 1);
    }
  return hops.get(to) ?? Number.POSITIVE_INFINITY;
};

const path = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const [from, to] = [someId(asked), someId(asked)];
  const maxHops = 1 + choose(6);
  return {
    title: `path from ${from.ref.kind} ${from.id} to ${to.ref.kind} ${to.id} in ${maxHops}`,
    ask: (graph) => graph.path(caller, { ...reading, from: from.id, to: to.id, maxHops }),
    check: (outcome) => {
      if (!sees(eye, from.ref) || !sees(eye, to.ref)) return expect(codeOf(outcome)).toBe('not_found');
      const { path: steps, truncated } = outcome as PathAnswer;
      expect(truncated).toBe(false);
      const edges = edgesOf(eye, nowOf(asked));
      const isEasy = (edge: RuleEdge): boolean =>
        isFoundFrom(eye, edge, edge.from.id) && isFoundFrom(eye, edge, edge.to.id);
      const least = distance(edges, from.ref.id, to.ref.id);
      const most = distance(edges.filter(isEasy), from.ref.id, to.ref.id);
      if (steps === null) return expect(most).toBeGreaterThan(maxHops);
      expect(steps.length).toBeGreaterThanOrEqual(least);
      expect(steps.length).toBeLessThanOrEqual(Math.min(most, maxHops));
      const allowed = edges.map((edge) => edgeView(world, edge));
      let at = from.ref.id;
      for (const step of steps) {
        expect(allowed).toContainEqual(step.relation);
        const { from: start, to: end } = step.relation;
        expect([step.from, step.to]).toEqual(step.direction === 'out' ? [start, end] : [end, start]);
        expect(step.from.id).toBe(at);
        at = step.to.id;
      }
      expect(at).toBe(to.ref.id);
    },
  };
};

interface Page {
  readonly next_cursor: string | null;
}

/** Every page of a list, as a client walks them. */
const walkPages = async <P extends Page>(page: (cursor: { readonly cursor?: string }) => Promise<P>): Promise<P[]> => {
  const all: P[] = [];
  let cursor: string | null = null;
  do {
    const one: P = await page(cursor === null ? {} : { cursor });
    all.push(one);
    cursor = one.next_cursor;
    if (all.length > 1000) throw new Error('the pages do not end');
  } while (cursor !== null);
  return all;
};

/** The items of all pages. */
const itemsOf = <T>(pages: unknown): T[] => (pages as { readonly items: readonly T[] }[]).flatMap((page) => page.items);

const listOfUser = (asked: Asked, operation: 'sessionsOfUser' | 'secretsOfUser'): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const user = world.base.users[choose(world.base.users.length)] ?? { id: '' };
  const ref: Ref = { kind: 'user', id: user.id };
  const limit = 1 + choose(3);
  const [type, kind] = operation === 'sessionsOfUser' ? ['has_session', 'session'] : ['owns', 'secret'];
  return {
    title: `${operation} ${ref.id} by ${limit}`,
    ask: (graph) => walkPages((cursor) => graph[operation](caller, ref.id, { ...reading, limit, ...cursor })),
    check: (outcome) => {
      if (!sees(eye, ref)) return expect(codeOf(outcome)).toBe('not_found');
      const edges = edgesOf(eye, nowOf(asked)).filter((edge) => edge.id === null && edge.type === type);
      const far = edges.flatMap(({ from, to }) => (from.id === ref.id && to.kind === kind ? [to] : []));
      const expected = far.sort((a, b) => (a.id < b.id ? 1 : -1)).map((one) => viewOf(world, one));
      expect(itemsOf<NodeView>(outcome)).toEqual(expected);
    },
  };
};

const activities = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const session = world.base.sessions[choose(world.base.sessions.length)];
  const id = session?.id ?? '';
  const input: ListInput = { ...reading, limit: 1 + choose(2) };
  return {
    title: `activities of ${id}`,
    ask: (graph) => walkPages((cursor) => graph.activities(caller, id, { ...input, ...cursor })),
    check: (outcome) => {
      const isReached = session !== undefined && isPresentIn(world.base, session, caller.userId);
      if (!isReached || (isConfined(caller) && id !== caller.session)) return expect(codeOf(outcome)).toBe('not_found');
      const found = world.entities.filter(
        (one) => one.isActivity && one.scope.sessionId === id && seesScope(eye, one.scope),
      );
      const expected = found
        .sort((a, b) => (a.id < b.id ? 1 : -1))
        .map((one) => ({
          entity: entityView(asked, { kind: 'entity', id: one.id }, nowOf(asked)),
          uses: world.uses
            .filter((use) => use.activityId === one.id && sees(eye, { kind: 'use', id: use.id }))
            .map((use) => viewOf(world, { kind: 'use', id: use.id })),
        }));
      expect(itemsOf<ActivityView>(outcome)).toEqual(expected);
    },
  };
};

type WholeEntity = WholeAnswer['entities'][number];

const joinParts = (entities: readonly WholeEntity[]): EntityView[] => {
  const joined = new Map<string, EntityView>();
  for (const { part, ...entity } of entities) {
    const known = joined.get(entity.id);
    expect(known === undefined).toBe(part === undefined || part === 'first');
    joined.set(entity.id, { ...entity, observations: [...(known?.observations ?? []), ...entity.observations] });
  }
  return [...joined.values()];
};

const whole = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const maxTokens = [200, 1000, 100_000][choose(3)] ?? 1000;
  return {
    title: `whole graph by ${maxTokens} tokens`,
    ask: (graph) => walkPages((cursor) => graph.whole(caller, { ...reading, maxTokens, ...cursor })),
    check: (outcome) => {
      const pages = outcome as WholeAnswer[];
      const nodes = wholeOf(eye);
      const entities = joinParts(pages.flatMap((page) => page.entities));
      expect(named(entities)).toEqual(named(nodes));
      for (const ref of nodes) {
        const expected = { ...viewOf(world, ref), observations: observationsOf(eye, ref, nowOf(asked)) };
        expect(entities.find((one) => one.id === ref.id)).toEqual(expected);
      }
      const ids = new Set(nodes.map((ref) => ref.id));
      const edges = edgesOf(eye, nowOf(asked)).filter(({ from }) => ids.has(from.id));
      expect(sortedEdges(pages.flatMap((page) => page.relations))).toEqual(shownEdges(world, edges));
    },
  };
};

const kinds: readonly ((asked: Asked) => Question)[] = [
  ...[whole, activities, resolve, resolve],
  ...[get, get, get, get, get, search, search, search, search, neighbourhood, neighbourhood, neighbourhood, path, path],
  (asked) => listOfUser(asked, 'sessionsOfUser'),
  (asked) => listOfUser(asked, 'secretsOfUser'),
];

/** A question in a mode in which the caller may not ask. */
const refusedMode = (caller: Caller, mode: Mode | undefined, code: string): Question => ({
  title: 'a mode that is refused',
  ask: (graph) => graph.search(caller, { ...(mode === undefined ? {} : { mode }), q: 'tagged', limit: 10 }),
  check: (outcome) => {
    expect(codeOf(outcome)).toBe(code);
  },
});

/** What one caller asks of a world in one mode. */
export const questionsOf = (world: GraphWorld, caller: Caller, mode: Mode | undefined, pick: number): Question[] => {
  const actual = modeOf(world, caller, mode);
  if (actual === 'invalid_request' || actual === 'permission_missing') return [refusedMode(caller, mode, actual)];
  const eye = eyeOf(world, caller, actual);
  const choose = chooser(pick);
  const asked = { world, caller, eye, choose };
  const given = mode === undefined ? {} : { mode };
  return kinds.map((question) => question({ ...asked, reading: { ...given, ...asOfOf(world, choose) } }));
};
