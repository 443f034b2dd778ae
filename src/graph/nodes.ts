import { type RawBuilder, sql } from 'kysely';
import { idsOf } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import { replanEachTime } from '../db/pool.ts';
import { secretNode, sessionNode, useNode, userNode } from './derived/show.ts';
import type { Visible } from './derived/visible.ts';
import type { DerivedNode, NodeView } from './model.ts';
import type { View } from './read.ts';
import { entityColumns, nodeOf, type ShownEntity } from './show.ts';
import { isInScopes, type Sight } from './sight.ts';

/** What an id in the graph can be the id of. */
export const nodeKinds = ['entity', 'user', 'session', 'secret', 'use'] as const;
export type NodeKind = (typeof nodeKinds)[number];

/** A node that the caller may see. */
export interface FoundNode {
  readonly kind: NodeKind;
  readonly node: NodeView;
  /** Of a remembered entity, what the edges that derive from it need. */
  readonly row: ShownEntity | null;
}

export type Found = ReadonlyMap<string, FoundNode>;

type Ids = Readonly<Partial<Record<NodeKind, readonly string[]>>>;

type EntityWithAliases = ShownEntity & { readonly aliases: readonly string[] };

const shownColumns = sql.join(entityColumns.map((column) => sql.ref(`e.${column}`)));

export const createNodes = ({ visible }: { readonly visible: Visible }) => {
  const selectEntities = (sight: Sight): RawBuilder<unknown> =>
    sql`select ${shownColumns}, array(select n.name from public.memory_names as n
        where n.entity_id = e.id and n.is_alias order by n.name) as aliases
      from public.memory_entities as e where ${isInScopes(sight, 'e.scope_id')}`;

  const entityOf = ({ aliases, ...row }: EntityWithAliases, sight: Sight): FoundNode => ({
    kind: 'entity',
    node: nodeOf(row, aliases, sight.scopes),
    row,
  });

  const entities = async (view: View, ids: readonly string[]): Promise<[string, FoundNode][]> => {
    if (ids.length === 0) return [];
    const { tx, sight } = view;
    const { rows } = await sql<EntityWithAliases>`
      ${sql.raw(replanEachTime)} ${selectEntities(sight)} and e.id = any(${ids}::uuid[])`.execute(tx);
    return rows.map((row) => [row.id, entityOf(row, sight)]);
  };

  /** Visible entities by the ids that lead to them: their own, and those that were merged into them. */
  const entitiesBy = async ({ tx, sight }: View, ids: readonly string[]): Promise<Map<string, FoundNode>> => {
    const { rows } = await sql<EntityWithAliases & { readonly asked: string }>`
      with m as (select merged_id, entity_id from public.memory_merges where merged_id = any(${ids}::uuid[]))
      select a.asked, c.* from (select merged_id as asked, entity_id as id from m union all
        select id, id from unnest(${ids}::uuid[]) as n (id) where id not in (select merged_id from m)) as a
      cross join lateral (${selectEntities(sight)} and e.id = a.id) as c`.execute(tx);
    return new Map(rows.map(({ asked, ...row }) => [asked, entityOf(row, sight)]));
  };

  const derived =
    <Row>(kind: NodeKind, show: (row: Row, view: View) => DerivedNode) =>
    (view: View, rows: ReadonlyMap<string, Row>): [string, FoundNode][] =>
      [...rows].map(([id, row]) => [id, { kind, node: show(row, view), row: null }]);

  const users = derived('user', userNode);
  const sessions = derived('session', (row: Parameters<typeof sessionNode>[0], view) =>
    sessionNode(row, view.sight.now),
  );
  const secrets = derived('secret', secretNode);
  const uses = derived('use', useNode);

  /** Those of these nodes that the caller may see. The scopes of the remembered ones are not noted as drawn upon. */
  const load = async (view: View, ids: Ids): Promise<Found> =>
    new Map([
      ...(await entities(view, ids.entity ?? [])),
      ...users(view, await visible.users(view, ids.user ?? [])),
      ...sessions(view, await visible.sessions(view, ids.session ?? [])),
      ...secrets(view, await visible.secrets(view, ids.secret ?? [])),
      ...uses(view, await visible.uses(view, ids.use ?? [])),
    ]);

  return {
    load,

    /**
     * The visible nodes of these ids, of whichever kind, by the id asked for; that of a merged entity finds the survivor. For
     * an id that is hidden the same statements run as for one that does not exist.
     */
    find: async (view: View, ids: readonly string[]): Promise<Found> => {
      const asked = idsOf<string>(ids);
      const remembered = await entitiesBy(view, asked);
      const others = asked.filter((id) => !remembered.has(id));
      const rest = await load(view, { user: others, session: others, secret: others, use: others });
      return new Map([...rest, ...remembered]);
    },

    /** Those of these ids that are derived nodes which the caller may see, for writes that refer to them. */
    findDerived: async (tx: Db, sight: Sight, ids: readonly string[]): Promise<ReadonlyMap<string, DerivedNode>> => {
      const view: View = { tx, sight, moment: null, draw: () => undefined };
      const asked = idsOf<string>(ids);
      const found = await load(view, { user: asked, session: asked, secret: asked, use: asked });
      return new Map([...found].flatMap(([id, { node }]) => (node.derived ? [[id, node] as const] : [])));
    },
  };
};

export type Nodes = ReturnType<typeof createNodes>;
