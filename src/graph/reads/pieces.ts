import { type Edge, type Edges, newMemory, type Place } from '../edges.ts';
import { observationsOf, showEdges } from '../facts.ts';
import type { EdgeView, ObservationView } from '../model.ts';
import type { FoundNode } from '../nodes.ts';
import type { View } from '../read.ts';

/** How many observations and edges of one node are read together. */
const maxObservations = 50;
const maxEdges = 100;

/** What is missing of a node: observations after one, and edges of some places. */
export interface Rest {
  readonly observations: string | null;
  readonly edges: readonly Place[];
}

/** A node, or a part of one. */
export interface Piece {
  readonly found: FoundNode;
  readonly observations: readonly ObservationView[];
  readonly relations: readonly EdgeView[];
  /** True where it is not the first part. */
  readonly continues: boolean;
  readonly rest: Rest | null;
}

/** What was read of a node. */
interface Content {
  readonly step: { readonly edges: readonly Edge[]; readonly rest: readonly Place[] };
  readonly observations: readonly ObservationView[];
  readonly more: boolean;
  readonly continues: boolean;
}

const options = { direction: 'out', fanOut: maxEdges } as const;

/** Cuts what the caller may see of nodes into pieces of a bounded size. */
export const createPieces = ({ edges }: { readonly edges: Edges }) => {
  const pieceOf = async (
    view: View,
    found: FoundNode,
    { step, observations, more, continues }: Content,
    memory: ReturnType<typeof newMemory>,
  ): Promise<Piece> => {
    const relations = [...(await showEdges(view, step.edges, memory)).values()];
    const after = more ? (observations.at(-1)?.id ?? null) : null;
    const rest = after === null && step.rest.length === 0 ? null : { observations: after, edges: step.rest };
    return { found, observations, relations, continues, rest };
  };

  return {
    /** The next part of a node of which the beginning was shown. Observations come before relations. */
    goOn: async (view: View, found: FoundNode, rest: Rest): Promise<Piece> => {
      const { id } = found.node;
      const memory = newMemory([found]);
      const page =
        rest.observations === null
          ? null
          : (await observationsOf(view, [id], { limit: maxObservations, after: rest.observations })).get(id);
      const step = page?.more ? { edges: [], rest: rest.edges } : await edges.follow(view, rest.edges, options, memory);
      const content = { step, observations: page?.items ?? [], more: page?.more ?? false, continues: true };
      return await pieceOf(view, found, content, memory);
    },

    /** The first parts of these nodes, read together. */
    begin: async (view: View, found: readonly FoundNode[]): Promise<readonly Piece[]> => {
      const ids = found.map((one) => one.node.id);
      const observations = await observationsOf(view, ids, { limit: maxObservations });
      const memory = newMemory(found);
      const step = await edges.step(view, found, options, memory);
      const byNode = Map.groupBy(step.edges, (edge) => edge.near);
      const restOf = Map.groupBy(step.rest, (place) => place.near);
      const pieces: Piece[] = [];
      for (const one of found) {
        const { id } = one.node;
        const own = { edges: byNode.get(id) ?? [], rest: restOf.get(id) ?? [] };
        const page = observations.get(id);
        const content = { step: own, observations: page?.items ?? [], more: page?.more ?? false, continues: false };
        pieces.push(await pieceOf(view, one, content, memory));
      }
      return pieces;
    },
  };
};
