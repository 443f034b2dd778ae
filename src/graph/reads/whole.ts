import type { Caller } from '../../core/caller.ts';
import type { Cursors } from '../cursor.ts';
import type { Edges } from '../edges.ts';
import { drawNodes } from '../facts.ts';
import type { EdgeView, ObservationView } from '../model.ts';
import type { FoundNode, NodeKind, Nodes } from '../nodes.ts';
import type { WholeAnswer, WholeInput } from '../operations.ts';
import type { Read, View } from '../read.ts';
import { idsOfKind } from './all-ids.ts';
import { createPieces, type Piece, type Rest } from './pieces.ts';

/** The kinds of nodes in the order of the pages. */
const kinds = ['entity', 'user', 'session', 'secret', 'use'] as const satisfies readonly NodeKind[];

/** How many nodes are read together. */
const maxBatch = 50;

/** Where the next page goes on: after a node, or within it where `rest` is there. */
interface Position {
  readonly kind: NodeKind;
  /** The last node of which anything was shown; null before the first of its kind. */
  readonly after: string | null;
  readonly rest: Rest | null;
}

/** A piece, with where to go on after it. */
interface Placed {
  readonly piece: Piece;
  readonly next: Position;
}

interface Deps {
  readonly read: Read;
  readonly nodes: Nodes;
  readonly edges: Edges;
  readonly cursors: Cursors;
}

/** About what a language model counts: four bytes of JSON are a token. */
const tokensOf = (value: unknown): number => Math.ceil(Buffer.byteLength(JSON.stringify(value)) / 4);

export const createWhole = ({ read, nodes, edges, cursors }: Deps) => {
  const pieces = createPieces({ edges });

  /** What is left of a node. */
  const remainder = async function* (view: View, found: FoundNode, { kind, rest }: Position): AsyncGenerator<Placed> {
    for (let missing = rest; missing !== null; ) {
      const piece: Piece = await pieces.goOn(view, found, missing);
      missing = piece.rest;
      yield { piece, next: { kind, after: found.node.id, rest: missing } };
    }
  };

  const ofBatch = async function* (view: View, kind: NodeKind, ids: readonly string[]): AsyncGenerator<Placed> {
    const found = await nodes.load(view, { [kind]: ids });
    const visible = ids.flatMap((id) => found.get(id) ?? []);
    for (const piece of await pieces.begin(view, visible)) {
      const next = { kind, after: piece.found.node.id, rest: piece.rest };
      yield { piece, next };
      yield* remainder(view, piece.found, next);
    }
  };

  const ofKind = async function* (view: View, kind: NodeKind, start: string | null): AsyncGenerator<Placed> {
    let after = start;
    do {
      const ids = await idsOfKind(view, kind, { after, limit: maxBatch });
      yield* ofBatch(view, kind, ids);
      after = ids.at(-1) ?? null;
    } while (after !== null);
  };

  /** Everything after a position, in the order of the pages. */
  const piecesAfter = async function* (view: View, start: Position): AsyncGenerator<Placed> {
    const { kind, after, rest } = start;
    const begun = after === null || rest === null ? undefined : (await nodes.find(view, [after])).get(after);
    if (begun) yield* remainder(view, begun, start);
    yield* ofKind(view, kind, after);
    for (const other of kinds.slice(kinds.indexOf(kind) + 1)) yield* ofKind(view, other, null);
  };

  const pageOf = async (view: View, start: Position, maxTokens: number) => {
    const page = new Map<string, PageEntry>();
    const relations: EdgeView[] = [];
    let tokens = 0;
    let last: Position | null = null;
    for await (const { piece, next } of piecesAfter(view, start)) {
      tokens += tokensOf([piece.found.node, piece.observations, piece.relations]);
      if (last !== null && tokens > maxTokens) return { page, relations, next: last };
      last = next;
      addPiece(page, piece);
      relations.push(...piece.relations);
    }
    return { page, relations, next: null };
  };

  /** One page of everything that the caller may see, each entity once with the relations that lead from it. */
  return (caller: Caller, input: WholeInput): Promise<WholeAnswer> =>
    read(
      caller,
      input,
      { operation: 'whole', facts: 'now', count: (answer) => answer.entities.length },
      async (view) => {
        const first: Position = { kind: kinds[0], after: null, rest: null };
        const start = input.cursor === undefined ? first : cursors.read<Position>(view, 'whole', input.cursor);
        const { page, relations, next } = await pageOf(view, start, input.maxTokens);
        const entries = [...page.values()];
        drawNodes(
          view,
          entries.map((entry) => entry.found),
        );
        const next_cursor = next === null ? null : cursors.write(view, 'whole', next);
        return { entities: entries.map(shownEntry), relations, next_cursor };
      },
    );
};

/** A node on one page, with the parts of it that the page holds. */
interface PageEntry {
  readonly found: FoundNode;
  readonly observations: ObservationView[];
  readonly continues: boolean;
  isWhole: boolean;
}

const addPiece = (page: Map<string, PageEntry>, { found, observations, continues, rest }: Piece): void => {
  const { id } = found.node;
  const entry = page.get(id) ?? { found, observations: [], continues, isWhole: true };
  entry.observations.push(...observations);
  entry.isWhole = rest === null;
  page.set(id, entry);
};

const shownEntry = ({ found, observations, continues, isWhole }: PageEntry): WholeAnswer['entities'][number] => {
  const entity = { ...found.node, observations };
  if (continues) return { ...entity, part: isWhole ? 'last' : 'middle' };
  return isWhole ? entity : { ...entity, part: 'first' };
};
