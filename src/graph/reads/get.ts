import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { KeyholdError, notFound } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Sessions } from '../../sessions/index.ts';
import { type Edges, newMemory } from '../edges.ts';
import { drawNodes, observationsOf, showEdges } from '../facts.ts';
import type { EdgeView, EntityView } from '../model.ts';
import type { FoundNode, Nodes } from '../nodes.ts';
import type { EntityRef, GetAnswer, Reading } from '../operations.ts';
import type { Read, View } from '../read.ts';
import { isInScopes } from '../sight.ts';

/** An answer holds at most this many observations and relations of each kind; it says where there are more. */
const maxObservations = 10_000;
const maxRelations = 1000;

interface Deps {
  readonly read: Read;
  readonly nodes: Nodes;
  readonly edges: Edges;
  readonly sessions: Pick<Sessions, 'idOf'>;
}

/** What the caller remembers of a derived node. */
const metadataOf = async ({ tx, sight }: View, id: string): Promise<JsonObject | null> => {
  const own = [...sight.scopes.values()].find((scope) => scope.user_id === sight.caller.userId);
  const { rows } = await sql<{ metadata: JsonObject }>`select metadata from public.memory_metadata
    where entity_id = ${id} and scope_id = ${own?.id ?? null}`.execute(tx);
  return rows[0]?.metadata ?? null;
};

export const createGet = ({ read, nodes, edges, sessions }: Deps) => {
  const entityOf = async (view: View, found: FoundNode): Promise<{ entity: EntityView; more: boolean }> => {
    const { node } = found;
    const page = (await observationsOf(view, [node.id], { limit: maxObservations })).get(node.id);
    drawNodes(view, [found]);
    const observations = page?.items ?? [];
    const more = page?.more ?? false;
    if (!node.derived) return { entity: { ...node, observations }, more };
    return { entity: { ...node, observations, metadata: await metadataOf(view, node.id) }, more };
  };

  const relationsOf = async (view: View, found: FoundNode) => {
    const memory = newMemory([found]);
    const options = { direction: 'both', fanOut: maxRelations } as const;
    const step = await edges.step(view, [found], options, memory);
    const shown: EdgeView[] = [...(await showEdges(view, step.edges, memory)).values()];
    return { relations: shown, relations_truncated: step.rest.length > 0 };
  };

  const answerOf = async (view: View, found: FoundNode | undefined, relations: boolean): Promise<GetAnswer> => {
    if (!found) throw notFound();
    const { entity, more } = await entityOf(view, found);
    const answer = { entity, observations_truncated: more };
    return relations ? { ...answer, ...(await relationsOf(view, found)) } : answer;
  };

  return {
    get: (caller: Caller, id: string, reading: Reading & { readonly relations?: boolean }): Promise<GetAnswer> =>
      read(caller, reading, { operation: 'get', facts: 'ever', count: () => 1 }, async (view) =>
        answerOf(view, (await nodes.find(view, [id])).get(id), reading.relations ?? false),
      ),

    resolve: (caller: Caller, ref: EntityRef, reading: Reading): Promise<EntityView> =>
      read(caller, reading, { operation: 'resolve', facts: 'ever', count: () => 1 }, async (view) => {
        const id = 'id' in ref ? ref.id : await onlyNamed(view, sessions, ref);
        return (await answerOf(view, (await nodes.find(view, [id])).get(id), false)).entity;
      }),
  };
};

/** Throws `not_found`, or `state_conflict` with the candidates where several scopes have the name. */
const onlyNamed = async (
  view: View,
  sessions: Pick<Sessions, 'idOf'>,
  ref: Exclude<EntityRef, { readonly id: string }>,
): Promise<string> => {
  const { tx, sight } = view;
  const session = typeof ref.session_id === 'string' ? await sessions.idOf(tx, sight.caller, ref.session_id) : null;
  const place =
    ref.session_id === undefined
      ? sql`true`
      : ref.session_id === null
        ? sql`s.user_id = ${sight.caller.userId}`
        : sql`s.session_id = ${session}::uuid`;
  const { rows } = await sql<{ id: string; type: string; session_id: string | null; scope_id: string }>`
    select e.id, e.type, s.session_id, e.scope_id from public.memory_names as n
    join public.memory_entities as e on e.id = n.entity_id join public.memory_scopes as s on s.id = n.scope_id
    where n.name = ${ref.name} and ${isInScopes(sight, 'n.scope_id')} and ${place}
      and (${ref.type ?? null}::text is null or e.type = ${ref.type ?? null}) order by e.id`.execute(tx);
  view.draw(rows.map((row) => row.scope_id));
  const [first, ...others] = rows;
  if (!first) throw notFound();
  if (others.length === 0) return first.id;
  const errors = rows.map((row, at) => ({
    field: `candidates/${at}`,
    detail: `${row.id} (${row.type}, ${row.session_id === null ? 'your own' : `session ${row.session_id}`})`,
  }));
  throw new KeyholdError(
    'state_conflict',
    'Several entities that you can see have this name. Ask for one of the candidates by its id, or name its session.',
    { errors },
  );
};
