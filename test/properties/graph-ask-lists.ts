import { expect } from 'vitest';
import type { ActivityView, EntityView, ListInput, NodeView, WholeAnswer } from '../../src/graph/operations.ts';
import { type Asked, codeOf, entityView, named, nowOf, type Question, shownEdges } from './graph-asked.ts';
import { edgesOf, isConfined, isPresentIn, sees, seesScope, wholeOf } from './graph-rule.ts';
import { observationsOf, sortedEdges, viewOf } from './graph-views.ts';
import type { Ref } from './graph-worlds.ts';

/* Questions that are answered with a list, or with everything. */

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

export const listOfUser = (asked: Asked, operation: 'sessionsOfUser' | 'secretsOfUser'): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const user = world.base.users[choose(world.base.users.length)] ?? { id: '' };
  const ref: Ref = { kind: 'user', id: user.id };
  const limit = 1 + choose(3);
  const [type, kind] = operation === 'sessionsOfUser' ? ['has_session', 'session'] : ['owns', 'secret'];
  return {
    operation,
    about: `${ref.id} by ${limit}`,
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

export const activities = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const session = world.base.sessions[choose(world.base.sessions.length)];
  const id = session?.id ?? '';
  const input: ListInput = { ...reading, limit: 1 + choose(2) };
  return {
    operation: 'activities',
    about: `of ${id}`,
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

export const whole = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const maxTokens = [200, 1000, 100_000][choose(3)] ?? 1000;
  return {
    operation: 'whole',
    about: `by ${maxTokens} tokens`,
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
