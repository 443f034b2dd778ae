import { expect } from 'vitest';
import type { GetAnswer, SearchAnswer, SearchInput } from '../../src/graph/operations.ts';
import {
  type Asked,
  codeOf,
  entityView,
  everOf,
  idsOf,
  named,
  nearEdges,
  nowOf,
  type Question,
  type Refused,
  shownEdges,
  someId,
} from './graph-asked.ts';
import { edgesOf, nodesOf, sees } from './graph-rule.ts';
import { observationsOf, sortedEdges, viewOf } from './graph-views.ts';
import type { GraphEntity, GraphWorld, Ref } from './graph-worlds.ts';

/* Questions about nodes: by id, by name and by what they say. */

export const get = (asked: Asked): Question => {
  const { caller, eye, reading, world } = asked;
  const { id, ref } = someId(asked);
  const moment = everOf(asked);
  return {
    operation: 'get',
    about: `${ref.kind} ${id}`,
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

export const placeOf = ({ world, choose }: Asked): { readonly session_id?: string | null } =>
  ([{}, {}, { session_id: null }, { session_id: world.base.sessions[0]?.id ?? null }] as const)[choose(4)] ?? {};

const isPlaced = ({ scope }: GraphEntity, { session_id }: { readonly session_id?: string | null }): boolean =>
  session_id === undefined || scope.sessionId === session_id;

/** The name or the alias of an entity, mostly one that others have in other scopes. */
const someName = ({ world, choose }: Asked): string => {
  const common = world.entities.filter(({ id, name }) =>
    world.entities.some((one) => one.name === name && one.id !== id),
  );
  const among = common.length > 0 && choose(3) > 0 ? common : world.entities;
  const one = among[choose(among.length)];
  return one?.aliases[choose(2)] ?? one?.name ?? '';
};

export const resolve = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const name = someName(asked);
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
    operation: 'resolve',
    about: `${name} ${JSON.stringify({ ...place, ...typed })}`,
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

export const search = (asked: Asked): Question => {
  const { caller, reading, eye, choose } = asked;
  const q = someQuery(asked);
  const filter = [{}, {}, {}, { type: 'CONCEPT' }, { type: 'SECRET' }, { tag: 'tagged' }][choose(6)] ?? {};
  return {
    operation: 'search',
    about: `${q} ${JSON.stringify(filter)}`,
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
