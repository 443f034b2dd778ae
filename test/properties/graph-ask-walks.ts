import { expect } from 'vitest';
import type { Direction, NeighbourhoodAnswer, PathAnswer } from '../../src/graph/operations.ts';
import { type Asked, codeOf, named, nearEdges, nowOf, type Question, shownEdges, someId } from './graph-asked.ts';
import { type Eye, edgesOf, isFoundFrom, nodesOf, type RuleEdge, sees } from './graph-rule.ts';
import { edgeView, sortedEdges, viewOf } from './graph-views.ts';

/* Questions about what leads where. */

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

export const neighbourhood = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const { id, ref } = someId(asked);
  const types = [undefined, undefined, ['knows', 'owns'], ['has_participant', 'contains', 'performed_by']][choose(4)];
  const direction = (['both', 'both', 'in', 'out'] as const)[choose(4)] ?? 'both';
  const options = { hops: 1 + choose(4), direction, ...(types === undefined ? {} : { types }) };
  const limit = choose(4) === 0 ? 1 + choose(4) : 500;
  return {
    operation: 'neighbourhood',
    about: `of ${ref.kind} ${id} ${JSON.stringify({ ...options, limit })}`,
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

export const path = (asked: Asked): Question => {
  const { caller, eye, reading, world, choose } = asked;
  const [from, to] = [someId(asked), someId(asked)];
  const maxHops = 1 + choose(6);
  return {
    operation: 'path',
    about: `from ${from.ref.kind} ${from.id} to ${to.ref.kind} ${to.id} in ${maxHops}`,
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
