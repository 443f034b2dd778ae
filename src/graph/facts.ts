import { sql } from 'kysely';
import { replanEachTime } from '../db/pool.ts';
import type { MemoryRelationRow } from '../db/tables/index.ts';
import type { Edge, Memory } from './edges.ts';
import type { EdgeView, End, NodeView, ObservationView } from './model.ts';
import type { FoundNode } from './nodes.ts';
import type { View } from './read.ts';
import { edgeOf, observationColumns, observationOf, type ShownObservation } from './show.ts';
import { holdsAt, isInScopes } from './sight.ts';

export const endOf = ({ id, type, name }: NodeView): End => ({ id, type, name });

const shownColumns = sql.join(observationColumns.map((column) => sql.ref(`o.${column}`)));

/** Of one entity, a page of its observations, oldest first. */
export interface ObservationPage {
  readonly items: readonly ObservationView[];
  readonly more: boolean;
}

/**
 * The visible observations of each of these entities that hold at the view's moment, oldest first, `limit` of each at most,
 * after the observation `after`.
 */
export const observationsOf = async (
  view: View,
  entityIds: readonly string[],
  { limit, after = null }: { readonly limit: number; readonly after?: string | null },
): Promise<ReadonlyMap<string, ObservationPage>> => {
  const { tx, sight, moment } = view;
  const { rows } = await sql<ShownObservation>`${sql.raw(replanEachTime)} select c.*
    from unnest(${entityIds}::uuid[]) as n (id)
    cross join lateral (select ${shownColumns} from public.memory_observations as o where o.entity_id = n.id
      and ${isInScopes(sight, 'o.scope_id')} and ${holdsAt('o', moment)}
      and (${after}::uuid is null or o.id > ${after}::uuid) order by o.id limit ${sql.lit(limit + 1)}) as c`.execute(
    tx,
  );
  const byEntity = Map.groupBy(rows, (row) => row.entity_id);
  return new Map(
    entityIds.map((id) => {
      const all = byEntity.get(id) ?? [];
      const shown = all.slice(0, limit);
      view.draw(shown.map((row) => row.scope_id));
      return [id, { items: shown.map((row) => observationOf(row, sight.scopes)), more: all.length > limit }];
    }),
  );
};

/** Notes the scopes of remembered nodes that are answered. */
export const drawNodes = (view: View, nodes: Iterable<FoundNode>): void => {
  for (const { row } of nodes) view.draw([row?.scope_id ?? null]);
};

/** Each edge once, as it is shown; `near` finds the nodes from which the steps were made. */
export const showEdges = async (
  view: View,
  edges: readonly Edge[],
  memory: Memory,
): Promise<ReadonlyMap<Edge, EdgeView>> => {
  const ids = edges.flatMap((edge) => edge.id ?? []);
  const { rows } = await sql<MemoryRelationRow>`select * from public.memory_relations
    where id = any(${ids}::uuid[])`.execute(view.tx);
  const byId = new Map(rows.map((row) => [row.id, row]));
  const shown = new Map<Edge, EdgeView>();
  const once = new Set<string>();
  for (const edge of edges) {
    const ends = endsOf(edge, memory);
    const key = edge.id ?? `${edge.type} ${ends?.from.id} ${ends?.to.id}`;
    if (ends === null || once.has(key)) continue;
    once.add(key);
    const row = edge.id === null ? null : byId.get(edge.id);
    if (row === null) shown.set(edge, { id: null, type: edge.type, ...ends, derived: true });
    else if (row) {
      view.draw([row.scope_id]);
      shown.set(edge, edgeOf(row, ends, view.sight.scopes));
    }
  }
  return shown;
};

const endsOf = ({ near, far, direction }: Edge, memory: Memory): { readonly from: End; readonly to: End } | null => {
  const start = memory.nodes.get(near);
  if (!start) return null;
  const [here, there] = [endOf(start.node), endOf(far.node)];
  return direction === 'out' ? { from: here, to: there } : { from: there, to: here };
};
