import { sql } from 'kysely';
import type { DerivedNode, NodeView, RememberedNode } from '../model.ts';
import type { SearchAnswer, SearchInput } from '../operations.ts';
import type { View } from '../read.ts';
import { entityColumns, nodeOf, type ShownEntity } from '../show.ts';
import { fold } from '../text.ts';
import { maxSearchedScopes } from './candidates.ts';
import { createGather, type DerivedNames, type Gathered } from './gather.ts';
import { matchesOf, maxObservations } from './matches.ts';
import { wordsOf } from './query.ts';
import { type Ranked, Ranking } from './rank.ts';
import { createMisspelling } from './similar.ts';

export type { DerivedNames } from './gather.ts';

interface Entity {
  readonly row: ShownEntity;
  readonly node: RememberedNode;
}

interface Observation {
  readonly id: string;
  readonly scope_id: string;
  readonly content: string;
}

const shownColumns = sql.join(entityColumns.map((column) => sql.ref(`e.${column}`)));

const loadEntities = async ({ tx, sight }: View, ids: readonly string[]): Promise<ReadonlyMap<string, Entity>> => {
  const { rows } = await sql<ShownEntity & { readonly aliases: readonly string[] }>`select ${shownColumns},
      array(select n.name from public.memory_names as n where n.entity_id = e.id and n.is_alias order by n.name) as aliases
    from public.memory_entities as e where e.id = any(${ids}::uuid[]) and e.scope_id is not null`.execute(tx);
  return new Map(rows.map(({ aliases, ...row }) => [row.id, { row, node: nodeOf(row, aliases, sight.scopes) }]));
};

const loadObservations = async ({ tx }: View, ids: readonly string[]): Promise<ReadonlyMap<string, Observation>> => {
  const { rows } = await sql<Observation>`select id, scope_id, content from public.memory_observations
    where id = any(${ids}::uuid[])`.execute(tx);
  return new Map(rows.map((row) => [row.id, row]));
};

const rank = (input: SearchInput, words: ReturnType<typeof wordsOf>, found: Gathered): readonly Ranked[] => {
  const ranking = new Ranking(input.q, words);
  ranking.addObservations(found.observations);
  ranking.addNamed(found.named);
  return ranking.ranked();
};

interface Loaded {
  readonly entities: ReadonlyMap<string, Entity>;
  readonly observations: ReadonlyMap<string, Observation>;
  readonly derived: ReadonlyMap<string, DerivedNode>;
}

/**
 * The search over what the caller can see: every word of `q`, or a part of a word, in one observation or in the names, tags
 * and attributes of its entity. If nothing has every word, entities with a name like `q` are found.
 */
export const createSearch = ({ derivedNames }: { readonly derivedNames: DerivedNames }) => {
  const gather = createGather(derivedNames);

  const load = async (view: View, ranked: readonly Ranked[], { derived }: Gathered): Promise<Loaded> => {
    const remembered = ranked.flatMap(({ id }) => (derived.has(id) ? [] : [id]));
    const quoted = ranked.flatMap((one) => one.observations.slice(0, maxObservations));
    const entities = await loadEntities(view, remembered);
    const observations = await loadObservations(view, quoted);
    view.draw([...entities.values()].map(({ row }) => row.scope_id));
    view.draw([...observations.values()].map((row) => row.scope_id));
    return { entities, observations, derived };
  };

  return async (view: View, input: SearchInput): Promise<SearchAnswer> => {
    const words = wordsOf(input.q);
    const areMore = view.sight.scopes.size > maxSearchedScopes;
    if (words.length === 0) return { results: [], truncated: false };
    const found = await gather(view, { q: input.q, words, filter: input });
    const all = rank(input, words, found);
    const ranked = all.slice(0, input.limit);
    const loaded = await load(view, ranked, found);
    const misspelling = createMisspelling(fold(input.q.trim()));
    const results = ranked.flatMap(({ id, score, observations }) => {
      const entity = loaded.entities.get(id);
      const node: NodeView | undefined = entity?.node ?? loaded.derived.get(id);
      if (!node) return [];
      const matches = matchesOf(words, {
        name: node.name,
        aliases: node.derived ? [] : node.aliases,
        row: entity?.row ?? null,
        observations: observations.slice(0, maxObservations).flatMap((one) => loaded.observations.get(one) ?? []),
        isLike: (name) => found.isLike && misspelling(name) > 0,
      });
      return [{ entity: node, score, matches }];
    });
    return { results, truncated: found.truncated || areMore || all.length > input.limit };
  };
};
