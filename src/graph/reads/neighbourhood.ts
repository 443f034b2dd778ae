import type { Caller } from '../../core/caller.ts';
import { notFound } from '../../core/errors.ts';
import { type Edge, type Edges, type Memory, newMemory } from '../edges.ts';
import { drawNodes, showEdges } from '../facts.ts';
import type { FoundNode, Nodes } from '../nodes.ts';
import type { NeighbourhoodAnswer, NeighbourhoodInput } from '../operations.ts';
import type { Read, View } from '../read.ts';

interface Deps {
  readonly read: Read;
  readonly nodes: Nodes;
  readonly edges: Edges;
}

/** How many edges of one node a step reads, so that a level reads a bounded number of them, yet few nodes read all. */
const fanOutOf = (limit: number, frontier: number): number =>
  Math.min(limit, Math.max(minFanOut, Math.ceil((4 * limit) / frontier)));
const minFanOut = 50;

interface Reached {
  readonly hops: Map<string, number>;
  readonly edges: Edge[];
  truncated: boolean;
}

/** Takes the far ends of a step while there is room for them; resolves to those that are new. */
const reach = (reached: Reached, edges: readonly Edge[], hops: number, limit: number): FoundNode[] => {
  const fresh: FoundNode[] = [];
  for (const edge of edges) {
    const { id } = edge.far.node;
    if (!reached.hops.has(id)) {
      if (reached.hops.size >= limit) {
        reached.truncated = true;
        continue;
      }
      reached.hops.set(id, hops);
      fresh.push(edge.far);
    }
    reached.edges.push(edge);
  }
  return fresh;
};

export const createNeighbourhood = ({ read, nodes, edges }: Deps) => {
  const walk = async (view: View, start: FoundNode, input: NeighbourhoodInput, memory: Memory): Promise<Reached> => {
    const { direction, types, limit } = input;
    const reached: Reached = { hops: new Map([[start.node.id, 0]]), edges: [], truncated: false };
    let frontier = [start];
    for (let hops = 1; hops <= input.hops && frontier.length > 0; hops += 1) {
      const fanOut = fanOutOf(limit, frontier.length);
      const step = await edges.step(view, frontier, { direction, types, fanOut }, memory);
      if (step.rest.length > 0) reached.truncated = true;
      frontier = reach(reached, step.edges, hops, limit);
      // Another step could only add relations between those that are there, at the price of reading all of theirs.
      if (reached.truncated && reached.hops.size >= limit) break;
    }
    return reached;
  };

  /**
   * The entities within some hops of one, each once, nearest first, with the relations that lead to them. Throws
   * `not_found` where the caller does not see the first.
   */
  return (caller: Caller, id: string, input: NeighbourhoodInput): Promise<NeighbourhoodAnswer> =>
    read(
      caller,
      input,
      { operation: 'neighbourhood', facts: 'now', count: (answer) => answer.entities.length },
      async (view) => {
        const start = (await nodes.find(view, [id])).get(id);
        if (!start) throw notFound();
        const memory = newMemory([start]);
        const reached = await walk(view, start, input, memory);
        const found = [...reached.hops].flatMap(([node, hops]) => {
          const one = memory.nodes.get(node);
          return one ? [{ one, hops }] : [];
        });
        drawNodes(
          view,
          found.map(({ one }) => one),
        );
        const relations = [...(await showEdges(view, reached.edges, memory)).values()];
        return {
          entities: found.map(({ one, hops }) => ({ ...one.node, hops })),
          relations,
          truncated: reached.truncated,
        };
      },
    );
};
