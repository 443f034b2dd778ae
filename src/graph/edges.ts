import { sql } from 'kysely';
import { idsOf } from '../core/ids.ts';
import { replanEachTime } from '../db/pool.ts';
import { type Newest, type Source, sources } from './derived/sources.ts';
import type { Found, FoundNode, NodeKind, Nodes } from './nodes.ts';
import type { Direction } from './operations.ts';
import type { View } from './read.ts';
import { holdsAt, isInScopes } from './sight.ts';
import type { DerivedType } from './vocabulary.ts';

/** A relation between two visible nodes, as a step from one of them found it. */
export interface Edge {
  readonly type: string;
  readonly near: string;
  readonly far: FoundNode;
  /** `in` where the relation leads from the far node to the near one. */
  readonly direction: 'in' | 'out';
  /** The id of a remembered relation; null for a derived one. */
  readonly id: string | null;
}

export interface StepOptions {
  readonly direction: Direction;
  /** Only relations of these types. */
  readonly types?: readonly string[] | undefined;
  /** The most edges of one node by one kind of relation; the newest come first. */
  readonly fanOut: number;
}

export interface Step {
  readonly edges: readonly Edge[];
  /** Where nodes have more visible edges than were answered. */
  readonly rest: readonly Place[];
}

/** A way from nodes of one kind to others: a derived relation, or the remembered ones. */
interface Way {
  readonly of: Source | 'remembered';
  readonly near: NodeKind;
  readonly direction: 'in' | 'out';
}

/** What a statement chose: an edge whose far end nobody has verified. */
interface Candidate {
  readonly way: number;
  readonly near: string;
  readonly far: string;
  readonly id: string | null;
  readonly type: string | null;
  /** The type of the far end where it is an anchor. */
  readonly anchor: DerivedType | null;
}

/** Where to go on: the edges of a node by one way, after the last one that was looked at. */
export interface Place {
  readonly way: number;
  readonly near: string;
  readonly after: string | null;
}

const kindOfAnchor: Readonly<Record<DerivedType, NodeKind>> = {
  USER: 'user',
  SESSION: 'session',
  SECRET: 'secret',
  SECRET_USAGE: 'use',
};

const every: readonly NodeKind[] = ['entity', 'user', 'session', 'secret', 'use'];

const ways: readonly Way[] = [
  ...every.flatMap((near) => (['out', 'in'] as const).map((direction): Way => ({ of: 'remembered', near, direction }))),
  ...sources.map((of): Way => ({ of, near: of.near, direction: of.direction })),
];

const keyOf = ({ way, near }: Pick<Candidate, 'way' | 'near'>): string => `${way} ${near}`;

export const createEdges = ({ nodes }: { readonly nodes: Nodes }) => {
  const isTaken = (way: Way, node: FoundNode, { direction, types }: StepOptions): boolean => {
    if (way.near !== node.kind || (direction !== 'both' && way.direction !== direction)) return false;
    if (way.of === 'remembered') return true;
    // Of remembered entities, only activities have derived relations.
    return (way.near !== 'entity' || node.row?.is_activity === true) && (types?.includes(way.of.type) ?? true);
  };

  const startOf = (from: readonly FoundNode[], options: StepOptions): Place[] =>
    ways.flatMap((way, index) =>
      from.flatMap((node) => (isTaken(way, node, options) ? [{ way: index, near: node.node.id, after: null }] : [])),
    );

  const remembered = (view: View, way: number, { direction }: Way, { types }: StepOptions, newest: Newest) => {
    const [near, far] = (direction === 'out' ? ['from_id', 'to_id'] : ['to_id', 'from_id']).map((one) =>
      sql.ref(`r.${one}`),
    );
    const wanted = types === undefined ? sql`` : sql`and r.type = any(${types}::text[])`;
    return sql`select ${sql.lit(way)} as way, n.id as near, c.far, c.id, c.type, c.anchor from n
      cross join lateral (select r.id, ${far} as far, r.type, case when f.scope_id is null then f.type end as anchor
        from public.memory_relations as r join public.memory_entities as f on f.id = ${far}
        where ${near} = n.id and ${isInScopes(view.sight, 'r.scope_id')} and ${holdsAt('r', view.moment)} ${wanted}
          and (f.scope_id is null or ${isInScopes(view.sight, 'f.scope_id')}) ${newest('r.id')}) as c
      where n.way = ${sql.lit(way)}`;
  };

  const derived = (view: View, way: number, of: Source, newest: Newest) =>
    sql`select ${sql.lit(way)} as way, n.id as near, c.id as far, null::uuid as id, null as type, null as anchor from n
      cross join lateral (select c.id from (${of.chosen(view, newest)}) as c where c.id is not null
        ${newest('c.id')}) as c where n.way = ${sql.lit(way)}`;

  /** The newest edges of each place that lie after it, one more than are wanted. */
  const candidatesOf = async (view: View, places: readonly Place[], options: StepOptions): Promise<Candidate[]> => {
    const limit = sql.lit(options.fanOut + 1);
    const newest: Newest = (column) =>
      sql`and (n.after is null or ${sql.ref(column)} < n.after) order by ${sql.ref(column)} desc limit ${limit}`;
    const parts = [...new Set(places.map((one) => one.way))].map((index) => {
      const way = ways[index] as Way;
      const part =
        way.of === 'remembered' ? remembered(view, index, way, options, newest) : derived(view, index, way.of, newest);
      return sql`(${part})`;
    });
    const { rows } = await sql<Candidate>`${sql.raw(replanEachTime)} with n as materialized (
      select * from unnest(${places.map((one) => one.way)}::int[], ${places.map((one) => one.near)}::uuid[],
        ${places.map((one) => one.after)}::uuid[]) as n (way, id, after))
      ${sql.join(parts, sql` union all `)}`.execute(view.tx);
    return rows;
  };

  const farKind = ({ way, anchor }: Candidate): NodeKind => {
    const { of } = ways[way] as Way;
    if (of !== 'remembered') return of.far;
    return anchor === null ? 'entity' : kindOfAnchor[anchor];
  };

  /** Loads the far ends that are not known yet. What is hidden is not in `known`, and noted in `hidden`. */
  const verify = async (view: View, candidates: readonly Candidate[], memory: Memory): Promise<void> => {
    const wanted: Partial<Record<NodeKind, string[]>> = {};
    for (const candidate of candidates) {
      const kind = farKind(candidate);
      const key = `${kind} ${candidate.far}`;
      if (memory.asked.has(key)) continue;
      memory.asked.add(key);
      wanted[kind] = [...(wanted[kind] ?? []), candidate.far];
    }
    const found: Found = await nodes.load(view, wanted);
    for (const one of found.values()) remember(memory, one);
  };

  /**
   * The edges of these places, as far as both ends are visible. `memory` spares loading a node twice in one request. Pages
   * are read on until each place has its fan-out of visible edges, so that hidden ones never shorten an answer.
   */
  const follow = async (view: View, start: readonly Place[], options: StepOptions, memory: Memory): Promise<Step> => {
    const found = new Map<string, FoundEdge[]>();
    for (let places = start; places.length > 0; ) {
      const candidates = await candidatesOf(view, places, options);
      await verify(view, candidates, memory);
      const byPlace = Map.groupBy(sorted(candidates), keyOf);
      for (const [key, all] of byPlace) {
        const visible = all.flatMap((one) => edgeOf(one, memory.known.get(`${farKind(one)} ${one.far}`)) ?? []);
        found.set(key, [...(found.get(key) ?? []), ...visible]);
      }
      places = [...byPlace].flatMap(([key, all]) => {
        const isFull = (found.get(key)?.length ?? 0) > options.fanOut;
        return isFull || all.length <= options.fanOut ? [] : placeAfter(all.at(-1) as Candidate);
      });
    }
    return stepOf([...found.values()], options.fanOut);
  };

  return {
    /** The edges of these visible nodes. */
    step: (view: View, from: readonly FoundNode[], options: StepOptions, memory: Memory): Promise<Step> =>
      follow(view, startOf(from, options), options, memory),

    /** Goes on after a step whose edges were too many. */
    follow,

    /** The nodes that a derived relation leads to from one node, the newest first. */
    farNodes: async (
      view: View,
      from: FoundNode,
      { type, far }: { readonly type: Source['type']; readonly far: NodeKind },
      { limit, after }: { readonly limit: number; readonly after: string | null },
    ): Promise<{ readonly nodes: readonly FoundNode[]; readonly more: boolean }> => {
      const way = ways.findIndex(
        ({ of, near, direction }) =>
          of !== 'remembered' && of.type === type && of.far === far && near === from.kind && direction === 'out',
      );
      const start = [{ way, near: from.node.id, after }];
      const { edges, rest } = await follow(view, start, { direction: 'out', fanOut: limit }, newMemory());
      return { nodes: edges.map((edge) => edge.far), more: rest.length > 0 };
    },
  };
};

export type Edges = ReturnType<typeof createEdges>;

/** What was loaded in one request. */
export interface Memory {
  /** Kind and id of each node that was asked for. */
  readonly asked: Set<string>;
  /** Those of them that are visible, by kind and id. */
  readonly known: Map<string, FoundNode>;
  /** The same by their ids alone. */
  readonly nodes: Map<string, FoundNode>;
}

export const newMemory = (start: readonly FoundNode[] = []): Memory => {
  const memory: Memory = { asked: new Set(), known: new Map(), nodes: new Map() };
  for (const one of start) remember(memory, one);
  return memory;
};

const remember = (memory: Memory, found: FoundNode): void => {
  const key = `${found.kind} ${found.node.id}`;
  memory.asked.add(key);
  memory.known.set(key, found);
  memory.nodes.set(found.node.id, found);
};

const orderKey = ({ id, far }: Candidate): string => id ?? far;

/** By way and near end, as asked for; within these the newest first. */
const sorted = (candidates: readonly Candidate[]): Candidate[] =>
  candidates
    .filter((one) => idsOf([one.far]).length === 1)
    .sort((a, b) => a.way - b.way || compare(a.near, b.near) || compare(orderKey(b), orderKey(a)));

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const placeAfter = (last: Candidate): Place => ({ way: last.way, near: last.near, after: orderKey(last) });

/** An edge with the candidate that it was. */
interface FoundEdge {
  readonly edge: Edge;
  readonly candidate: Candidate;
}

/** Cuts the edges of each place to the fan-out. */
const stepOf = (places: readonly (readonly FoundEdge[])[], fanOut: number): Step => ({
  edges: places.flatMap((all) => all.slice(0, fanOut).map((one) => one.edge)),
  rest: places.flatMap((all) => (all.length > fanOut ? placeAfter((all[fanOut - 1] as FoundEdge).candidate) : [])),
});

const edgeOf = (candidate: Candidate, far: FoundNode | undefined): FoundEdge | null => {
  const { of, direction } = ways[candidate.way] as Way;
  const type = of === 'remembered' ? candidate.type : of.type;
  if (!far || type === null) return null;
  return { edge: { type, near: candidate.near, far, direction, id: candidate.id }, candidate };
};
