import { type RawBuilder, sql } from 'kysely';
import { replanEachTime } from '../../db/pool.ts';
import type { DerivedNode } from '../model.ts';
import type { NodeKind, Nodes } from '../nodes.ts';
import type { View } from '../read.ts';
import { selectIds } from '../reads/all-ids.ts';
import { fold } from '../text.ts';
import type { DerivedType } from '../vocabulary.ts';

/** How many nodes one statement loads. */
const loadedAtOnce = 200;

type NamedKind = Extract<NodeKind, 'user' | 'session' | 'secret'>;

interface Source {
  readonly type: DerivedType;
  /** Selects names. They choose only: nobody has verified them. */
  readonly names: RawBuilder<unknown>;
}

const sources: Readonly<Record<NamedKind, Source>> = {
  user: { type: 'USER', names: sql`select id, username as name from public.users` },
  session: {
    type: 'SESSION',
    names: sql`select id, coalesce(title, external_id, id::text) as name from public.sessions`,
  },
  secret: { type: 'SECRET', names: sql`select id, name from public.secrets` },
};

const kinds = Object.keys(sources) as readonly NamedKind[];

/** A LIKE pattern for texts that contain this word. */
const holding = (word: string): string => `%${word.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;

/** Which names are looked for. */
export interface NameQuery {
  /** What each of them holds, folded. */
  readonly words: readonly string[];
  /** Whether a folded name is one of them; each of those holds every word. */
  readonly isMatch: (name: string) => boolean;
  /** Only nodes of this type. */
  readonly type: string | undefined;
}

export interface NamedNodes {
  readonly nodes: readonly DerivedNode[];
  /** True where others are left out that the caller may see, too. */
  readonly truncated: boolean;
}

/** What search needs of derived nodes. */
export const createDerivedNames = ({ nodes }: { readonly nodes: Nodes }) => {
  /** Ids of nodes of these names, newest first, which the caller may see if their rows can be verified. */
  const likely = async (
    view: View,
    asked: readonly NamedKind[],
    { words, isMatch }: NameQuery,
  ): Promise<Map<NamedKind, string[]>> => {
    // PostgreSQL compares names of ASCII characters; the others are folded here, like everything else that is searched.
    const parts = asked.map(
      (kind) => sql`select ${sql.lit(kind)} as kind, n.id, n.name from (${selectIds(view, kind)}) as c
        cross join lateral (select * from (${sources[kind].names}) as s where s.id = c.id) as n
        where n.name collate "C" ~ '[^ -~]' or lower(n.name collate "C") like all(${words.map(holding)}::text[])`,
    );
    const { rows } = await sql<{ kind: NamedKind; id: string; name: string }>`${sql.raw(replanEachTime)}
      ${sql.join(parts, sql` union all `)} order by id desc`.execute(view.tx);
    const ids = Map.groupBy(
      rows.filter(({ name }) => isMatch(fold(name))),
      (row) => row.kind,
    );
    return new Map([...ids].map(([kind, own]) => [kind, own.map((row) => row.id)]));
  };

  const loadSome = async (view: View, kind: NamedKind, ids: readonly string[], cap: number): Promise<NamedNodes> => {
    const found: DerivedNode[] = [];
    // What turns out to be hidden must not take the place of others.
    for (let at = 0; at < ids.length && found.length <= cap; at += loadedAtOnce) {
      const part = ids.slice(at, at + loadedAtOnce);
      const loaded = await nodes.load(view, { [kind]: part });
      for (const id of part) {
        const node = loaded.get(id)?.node;
        if (node?.derived) found.push(node);
      }
    }
    return { nodes: found.slice(0, cap), truncated: found.length > cap };
  };

  return {
    /**
     * The users, sessions and secrets of such names that the caller may see: `cap` of each kind at most, the newest. Only
     * what is answered was verified.
     */
    named: async (view: View, query: NameQuery, cap: number): Promise<NamedNodes> => {
      const asked = kinds.filter((kind) => query.type === undefined || query.type === sources[kind].type);
      if (asked.length === 0) return { nodes: [], truncated: false };
      const found: NamedNodes[] = [];
      for (const [kind, ids] of await likely(view, asked, query)) found.push(await loadSome(view, kind, ids, cap));
      return { nodes: found.flatMap((one) => one.nodes), truncated: found.some((one) => one.truncated) };
    },

    byId: (view: View, ids: readonly string[]): Promise<ReadonlyMap<string, DerivedNode>> =>
      nodes.findDerived(view.tx, view.sight, ids),
  };
};
