import type { Caller } from '../../core/caller.ts';
import { notFound } from '../../core/errors.ts';
import { type Edge, type Edges, type Memory, newMemory } from '../edges.ts';
import { drawNodes, endOf, showEdges } from '../facts.ts';
import type { FoundNode, Nodes } from '../nodes.ts';
import type { PathAnswer, PathStep, Reading } from '../operations.ts';
import type { Read, View } from '../read.ts';

/** Bounds of a search; beyond them the answer says that it is truncated. */
const maxFanOut = 1000;
const maxVisited = 5000;

interface Deps {
  readonly read: Read;
  readonly nodes: Nodes;
  readonly edges: Edges;
}

/** One of the two searches that grow towards each other. */
interface Side {
  /** The edge by which each node was reached; null for the first. */
  readonly reachedBy: Map<string, Edge | null>;
  readonly depths: Map<string, number>;
  frontier: readonly FoundNode[];
  depth: number;
}

const sideOf = (start: FoundNode): Side => ({
  reachedBy: new Map([[start.node.id, null]]),
  depths: new Map([[start.node.id, 0]]),
  frontier: [start],
  depth: 0,
});

/** Takes the far ends of a step; the new ones are the next frontier. */
const advance = (side: Side, edges: readonly Edge[]): void => {
  const fresh: FoundNode[] = [];
  side.depth += 1;
  for (const edge of edges) {
    const { id } = edge.far.node;
    if (side.reachedBy.has(id)) continue;
    side.reachedBy.set(id, edge);
    side.depths.set(id, side.depth);
    fresh.push(edge.far);
  }
  side.frontier = fresh;
};

/** The node at which the two sides meet by the fewest hops; of several the one that was reached first. */
const meetingOf = (grown: Side, other: Side): string | null => {
  let best: { readonly id: string; readonly hops: number } | null = null;
  for (const { node } of grown.frontier) {
    const hops = other.depths.get(node.id);
    if (hops !== undefined && (best === null || hops < best.hops)) best = { id: node.id, hops };
  }
  return best?.id ?? null;
};

/** The edges from the first node of a side to this one. */
const edgesTo = (side: Side, id: string): Edge[] => {
  const edge = side.reachedBy.get(id) ?? null;
  return edge === null ? [] : [...edgesTo(side, edge.near), edge];
};

/** The smaller side grows; null where the search is over. */
const next = ([from, to]: readonly [Side, Side], maxHops: number): readonly [Side, Side] | null => {
  if (from.depth + to.depth >= maxHops || from.frontier.length === 0 || to.frontier.length === 0) return null;
  return from.frontier.length <= to.frontier.length ? [from, to] : [to, from];
};

const visited = ([from, to]: readonly [Side, Side]): number => from.reachedBy.size + to.reachedBy.size;

export const createPath = ({ read, nodes, edges }: Deps) => {
  /** Grows the sides until they meet. */
  const search = async (view: View, sides: readonly [Side, Side], maxHops: number, memory: Memory) => {
    let truncated = false;
    for (let pair = next(sides, maxHops); pair !== null; pair = next(sides, maxHops)) {
      const [grown, other] = pair;
      const step = await edges.step(view, grown.frontier, { direction: 'both', fanOut: maxFanOut }, memory);
      truncated ||= step.rest.length > 0;
      advance(grown, step.edges);
      const meeting = meetingOf(grown, other);
      if (meeting !== null) return { meeting, truncated };
      if (visited(sides) > maxVisited) return { meeting: null, truncated: true };
    }
    return { meeting: null, truncated };
  };

  const stepsOf = async (view: View, [from, to]: readonly [Side, Side], meeting: string, memory: Memory) => {
    const forth = edgesTo(from, meeting);
    const back = edgesTo(to, meeting).reverse();
    const shown = await showEdges(view, [...forth, ...back], memory);
    const step = (edge: Edge, reversed: boolean): PathStep[] => {
      const relation = shown.get(edge);
      const near = memory.nodes.get(edge.near);
      if (!relation || !near) return [];
      drawNodes(view, [near, edge.far]);
      const [start, end] = reversed ? [edge.far, near] : [near, edge.far];
      const direction = (edge.direction === 'out') === reversed ? 'in' : 'out';
      return [{ from: endOf(start.node), to: endOf(end.node), direction, relation }];
    };
    return [...forth.flatMap((edge) => step(edge, false)), ...back.flatMap((edge) => step(edge, true))];
  };

  /** A shortest way from one entity to another. Throws `not_found` where the caller does not see both. */
  return (
    caller: Caller,
    input: Reading & { readonly from: string; readonly to: string; readonly maxHops: number },
  ): Promise<PathAnswer> =>
    read(
      caller,
      input,
      { operation: 'path', facts: 'now', count: ({ path }) => path?.length ?? 0 },
      async (view): Promise<PathAnswer> => {
        const found = await nodes.find(view, [input.from, input.to]);
        const [from, to] = [found.get(input.from), found.get(input.to)];
        if (!from || !to) throw notFound();
        drawNodes(view, [from, to]);
        if (from.node.id === to.node.id) return { path: [], truncated: false };
        const memory = newMemory([from, to]);
        const sides = [sideOf(from), sideOf(to)] as const;
        const { meeting, truncated } = await search(view, sides, input.maxHops, memory);
        if (meeting === null) return { path: null, truncated };
        return { path: await stepsOf(view, sides, meeting, memory), truncated };
      },
    );
};
