import { sql } from 'kysely';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import type { MemoryRelationRow } from '../../db/tables/index.ts';
import type { EntityView, ObservationView, RememberedEdge } from '../model.ts';
import {
  edgeOf,
  entityColumns,
  nodeOf,
  observationColumns,
  observationOf,
  type ScopesById,
  type ShownEntity,
  type ShownObservation,
} from '../show.ts';
import { notFoundAt } from './errors.ts';
import type { Target } from './targets.ts';

/*
 * What writes answer. The caller has made sure that whoever is answered may see these rows.
 */

/** An answer holds at most this many observations, of all entities and of one of them; reads show more. */
const maxObservations = 10_000;
const maxOfOne = 1000;

const shown = (alias: string, columns: readonly string[]) =>
  sql.join(columns.map((column) => sql.ref(`${alias}.${column}`)));

const scopesOf = (rows: readonly { readonly scope_id: string | null; readonly session_id: string | null }[]) =>
  new Map(rows.map((row) => [row.scope_id, { session_id: row.session_id }])) as ScopesById;

/** The observations of each entity that lie in the entity's own scope, oldest first, ended ones included. */
const observationsByEntity = async (
  tx: Tx,
  entities: readonly ShownEntity[],
  scopes: ScopesById,
): Promise<ReadonlyMap<string, ObservationView[]>> => {
  const limit = Math.min(maxOfOne, Math.ceil(maxObservations / Math.max(1, entities.length)));
  // In coalesce(), the scope does not tempt the planner to read everything in the scope.
  const { rows } = await sql<ShownObservation>`${sql.raw(replanEachTime)} select c.*
    from unnest(${entities.map((one) => one.id)}::uuid[], ${entities.map((one) => one.scope_id)}::uuid[]) as n (id, scope)
    cross join lateral (select ${shown('o', observationColumns)} from public.memory_observations as o
      where o.entity_id = n.id and coalesce(o.scope_id, o.scope_id) = n.scope order by o.id limit ${sql.lit(limit)}) as c`.execute(
    tx,
  );
  const byEntity = Map.groupBy(rows, (row) => row.entity_id);
  return new Map([...byEntity].map(([id, all]) => [id, all.map((row) => observationOf(row, scopes))]));
};

/** These entities as they are now, in this order. Throws `not_found` for one that is gone. */
export const entityViews = async (tx: Tx, ids: readonly string[]): Promise<EntityView[]> => {
  const { rows } = await sql<ShownEntity & { readonly aliases: readonly string[]; readonly session_id: string | null }>`
    select ${shown('e', entityColumns)}, s.session_id, array(select n.name from public.memory_names as n
      where n.entity_id = e.id and n.is_alias order by n.name) as aliases
    from public.memory_entities as e join public.memory_scopes as s on s.id = e.scope_id
    where e.id = any(${ids}::uuid[])`.execute(tx);
  const scopes = scopesOf(rows);
  const observations = await observationsByEntity(tx, rows, scopes);
  const views = new Map(
    rows.map((row) => [row.id, { ...nodeOf(row, row.aliases, scopes), observations: observations.get(row.id) ?? [] }]),
  );
  return ids.map((id) => found(views.get(id)));
};

export const entityView = async (tx: Tx, id: string): Promise<EntityView> => found((await entityViews(tx, [id]))[0]);

/** These observations as they are now, in this order. Throws `not_found` for one that is gone. */
export const observationViews = async (
  tx: Tx,
  ids: readonly string[],
): Promise<{ readonly entity_id: string; readonly observation: ObservationView }[]> => {
  const { rows } = await sql<ShownObservation & { readonly session_id: string | null }>`
    select ${shown('o', observationColumns)}, s.session_id from public.memory_observations as o
    join public.memory_scopes as s on s.id = o.scope_id where o.id = any(${ids}::uuid[])`.execute(tx);
  const scopes = scopesOf(rows);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = found(byId.get(id));
    return { entity_id: row.entity_id, observation: observationOf(row, scopes) };
  });
};

/** These relations as they are now, in this order; `ends` has both of each. Throws `not_found` for one that is gone. */
export const relationViews = async (
  tx: Tx,
  ids: readonly string[],
  ends: ReadonlyMap<string, Target>,
): Promise<RememberedEdge[]> => {
  const { rows } = await sql<MemoryRelationRow & { readonly session_id: string | null }>`
    select r.*, s.session_id from public.memory_relations as r
    join public.memory_scopes as s on s.id = r.scope_id where r.id = any(${ids}::uuid[])`.execute(tx);
  const scopes = scopesOf(rows);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = found(byId.get(id));
    const [from, to] = [row.from_id, row.to_id].map((end) => endOf(found(ends.get(end))));
    return edgeOf(row, { from: found(from), to: found(to) }, scopes);
  });
};

const endOf = ({ id, type, name }: Target) => ({ id, type, name });

const found = <T>(row: T | undefined): T => {
  if (row === undefined) throw notFoundAt(null);
  return row;
};
