import { sql } from 'kysely';
import { idsOf } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import { replanEachTime } from '../db/pool.ts';
import { secretNode, sessionNode, useNode, userNode } from './derived/show.ts';
import type { Visible } from './derived/visible.ts';
import type { DerivedNode, NodeView } from './model.ts';
import type { View } from './read.ts';
import { entityColumns, nodeOf, type ShownEntity } from './show.ts';
import { inScopes, type Sight } from './sight.ts';

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

const shownColumns = sql.join(entityColumns.map((column) => sql.ref(`e.${column}`)));

export const createNodes = ({ visible }: { readonly visible: Visible }) => {
  const entities = async (view: View, ids: readonly string[]): Promise<[string, FoundNode][]> => {
    if (ids.length === 0) return [];
    const { tx, sight } = view;
    const { rows } = await sql<ShownEntity & { readonly aliases: readonly string[] }>`
      ${sql.raw(replanEachTime)} select ${shownColumns}, array(select n.name from public.memory_names as n
        where n.entity_id = e.id and n.is_alias order by n.name) as aliases
      from public.memory_entities as e where e.id = any(${ids}::uuid[]) and ${inScopes(sight, 'e.scope_id')}`.execute(
      tx,
    );
    return rows.map((row) => [row.id, { kind: 'entity', node: nodeOf(row, row.aliases, sight.scopes), row }]);
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

  /** The entity that each of these merged ids leads to. */
  const survivorsOf = async (tx: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> => {
    const { rows } = await sql<{ merged_id: string; entity_id: string }>`select merged_id, entity_id
      from public.memory_merges where merged_id = any(${ids}::uuid[])`.execute(tx);
    return new Map(rows.map((row) => [row.merged_id, row.entity_id]));
  };

  return {
    load,

    /**
     * The visible nodes of these ids, of whichever kind, by the id asked for; that of a merged entity finds the survivor. For
     * an id that is hidden the same statements run as for one that does not exist.
     */
    find: async (view: View, ids: readonly string[]): Promise<Found> => {
      const asked = idsOf<string>(ids);
      const survivors = await survivorsOf(view.tx, asked);
      const entityOf = (id: string): string => survivors.get(id) ?? id;
      const remembered = await load(view, { entity: [...new Set(asked.map(entityOf))] });
      const others = asked.filter((id) => !remembered.has(entityOf(id)));
      const rest = await load(view, { user: others, session: others, secret: others, use: others });
      return new Map(
        asked.flatMap((id) => {
          const one = remembered.get(entityOf(id)) ?? rest.get(id);
          return one ? [[id, one] as const] : [];
        }),
      );
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
