import { type RawBuilder, sql } from 'kysely';
import type { DerivedNode } from '../model.ts';
import type { NodeKind, Nodes } from '../nodes.ts';
import type { View } from '../read.ts';
import { idsOfKind } from '../reads/all-ids.ts';
import { fold } from '../text.ts';

/** How many users, sessions and secrets a search looks through, the newest of each. */
const maxLookedThrough = 500;

type NamedKind = Extract<NodeKind, 'user' | 'session' | 'secret'>;

const kinds = ['user', 'session', 'secret'] as const satisfies readonly NamedKind[];

/** The names of nodes, as nobody has verified them. */
const namesOf: Readonly<Record<NamedKind, (ids: readonly string[]) => RawBuilder<{ id: string; name: string }>>> = {
  user: (ids) => sql`select id, username as name from public.users where id = any(${ids}::uuid[])`,
  session: (ids) => sql`select id, coalesce(title, external_id, id::text) as name from public.sessions
    where id = any(${ids}::uuid[])`,
  secret: (ids) => sql`select id, name from public.secrets where id = any(${ids}::uuid[])`,
};

/** What search needs of derived nodes. */
export const createDerivedNames = ({ nodes }: { readonly nodes: Nodes }) => ({
  /**
   * Of the caller's newest users, sessions and secrets, those whose name holds one of the words of `q`, `cap` of each kind at
   * most. Only those are verified, and only their verified names are answered.
   */
  named: async (view: View, q: string, cap: number): Promise<readonly DerivedNode[]> => {
    const words = fold(q).split(/\s+/u).filter(Boolean);
    const found: DerivedNode[] = [];
    for (const kind of kinds) {
      const ids = await idsOfKind(view, kind, { after: null, limit: maxLookedThrough });
      const { rows } = await namesOf[kind](ids).execute(view.tx);
      const likely = rows.filter(({ name }) => words.some((word) => fold(name).includes(word)));
      const nodesOfKind = await nodes.load(view, { [kind]: likely.slice(0, cap).map((row) => row.id) });
      for (const { node } of nodesOfKind.values()) if (node.derived) found.push(node);
    }
    return found;
  },

  byId: (view: View, ids: readonly string[]): Promise<ReadonlyMap<string, DerivedNode>> =>
    nodes.findDerived(view.tx, view.sight, ids),
});
