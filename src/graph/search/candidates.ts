import { type RawBuilder, sql } from 'kysely';
import { replanEachTime } from '../../db/pool.ts';
import type { View } from '../read.ts';
import { holdsAt, isInScopes } from '../sight.ts';
import {
  canHaveAll,
  canHaveMisspelt,
  canHaveSome,
  chunksOf,
  countOf,
  hasAll,
  hasAllTogether,
  hasSome,
  type ScopeChunk,
} from './look-up.ts';
import type { Word } from './query.ts';

/** What must hold of whatever is found. */
export interface Filter {
  readonly type?: string;
  readonly tag?: string;
  readonly since?: Date;
  readonly until?: Date;
}

/** An entity whose text can match. */
export interface EntityCandidate {
  readonly id: string;
  readonly names: readonly string[];
  readonly text: string;
}

/** An observation that matches, alone or together with the text of its entity. */
export interface ObservationCandidate {
  readonly id: string;
  readonly entity_id: string;
  /** True where the entity is the anchor of a derived node. */
  readonly anchored: boolean;
  readonly text: string;
  readonly entity_text: string;
  /** How many of the words the observation itself has. */
  readonly matched: number;
}

/** How many scopes are looked through: the caller's own, that of the request's session, and the newest others. */
export const maxSearchedScopes = 500;
/** At most so many of either kind are ranked. All of them are visible, so that hidden ones neither count nor starve. */
export const maxCandidates = 1000;
/** From more hits than this, the newest are looked for among the newest rows. */
const maxSorted = 5000;
const maxRecent = 40_000;
/** The text of a candidate that is fetched to rank it; the end of a longer one does not count. */
const textLength = 4000;

type Condition = RawBuilder<boolean>;

const ofFilter = (alias: 'o' | 'e', { type, tag, since, until }: Filter): Condition => {
  const created = sql.ref(`${alias}.created_at`);
  return sql<boolean>`(${type === undefined ? sql`true` : sql`e.type = ${type}`}
    and ${tag === undefined ? sql`true` : sql`jsonb_exists(e.tags, ${tag})`}
    and ${since === undefined ? sql`true` : sql`${created} >= ${since}::timestamptz`}
    and ${until === undefined ? sql`true` : sql`${created} < ${until}::timestamptz`})`;
};

/**
 * The condition that a column is one of thousands of ids: by a hash table, and without an estimate for each id. COALESCE
 * keeps the planner from making a join of it.
 */
const isOneOf = (column: RawBuilder<unknown>, ids: readonly string[]): Condition =>
  sql<boolean>`coalesce(${column} in (select unnest(${ids}::uuid[])), false)`;

const inChunk = (alias: string, { ids }: ScopeChunk): Condition => isOneOf(sql.ref(`${alias}.scope_id`), ids);

/** How candidates of one kind are read: `from` joins what `where` needs, `columns` names what is shown of one. */
interface Kind {
  readonly alias: 'o' | 'e';
  readonly table: RawBuilder<unknown>;
  readonly join: RawBuilder<unknown>;
  readonly columns: RawBuilder<unknown>;
}

const entities: Kind = {
  alias: 'e',
  table: sql`public.memory_entities`,
  join: sql``,
  columns: sql`e.id, left(e.search, ${sql.lit(textLength)}) as text,
    array(select n.name from public.memory_names as n where n.entity_id = e.id order by n.is_alias, n.name) as names`,
};

/** The same without the names, which only ranking needs. */
const partial: Kind = { ...entities, columns: sql`e.id, left(e.search, ${sql.lit(textLength)}) as text` };

const observations = (words: readonly Word[]): Kind => ({
  alias: 'o',
  table: sql`public.memory_observations`,
  join: sql`join public.memory_entities as e on e.id = o.entity_id`,
  columns: sql`o.id, o.entity_id, e.scope_id is null as anchored, left(o.search, ${sql.lit(textLength)}) as text,
    left(e.search, ${sql.lit(textLength)}) as entity_text, ${countOf('o', words)} as matched`,
});

interface Question {
  readonly kind: Kind;
  /** The condition that the index answers; null to compare every row. */
  readonly index: (chunk: ScopeChunk) => Condition | null;
  readonly where: Condition;
}

/**
 * Keeps the planner to the indexes on keys and ids for the rest of the transaction. It cannot know how few rows have some
 * keys, and would compare every row with thousands of them.
 */
const useIndexes = sql`select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true)`;

const usesIndexes = new WeakSet<View>();

const keepToIndexes = async (view: View): Promise<void> => {
  if (usesIndexes.has(view)) return;
  await useIndexes.execute(view.tx);
  usesIndexes.add(view);
};

interface Hit {
  readonly id: string;
  readonly total: number;
}

/** Of all rows that match in a chunk of scopes, the ids of the newest. */
const newestIn = async (view: View, { kind, index, where }: Question, chunk: ScopeChunk): Promise<string[]> => {
  const { alias, table, join } = kind;
  const asked = index(chunk);
  if (asked === null) return [];
  const id = sql.ref(`${alias}.id`);
  const as = sql.ref(alias);
  const matches = sql`${inChunk(alias, chunk)} and ${where}`;
  const limit = sql.lit(maxCandidates + 1);
  const run = async (source: RawBuilder<unknown>): Promise<readonly Hit[]> => {
    const { rows } = await sql<Hit>`${sql.raw(replanEachTime)} select id, count(*) over ()::int as total
      from (${source}) as found order by id desc limit ${limit}`.execute(view.tx);
    return rows;
  };
  const all = sql`select ${id} from ${table} as ${as} ${join} where ${asked} and ${matches}`;
  const some = await run(sql`${all} limit ${sql.lit(maxSorted + 1)}`);
  if ((some[0]?.total ?? 0) <= maxSorted) return some.map((hit) => hit.id);
  const perScope = sql.lit(Math.ceil(maxRecent / chunk.ids.length));
  const recent = await run(sql`select ${id} from unnest(${chunk.ids}::uuid[]) as s(id) cross join lateral
    (select * from ${table} as r where r.scope_id = s.id order by r.id desc limit ${perScope}) as ${as} ${join}
    where ${matches}`);
  return (recent.length > maxCandidates ? recent : await run(all)).map((hit) => hit.id);
};

const load = async <Row>(view: View, { table, alias, join, columns }: Kind, ids: readonly string[]): Promise<Row[]> => {
  if (ids.length === 0) return [];
  const id = sql.ref(`${alias}.id`);
  const { rows } =
    await sql<Row>`${sql.raw(replanEachTime)} select ${columns} from ${table} as ${sql.ref(alias)} ${join}
    where ${id} = any(${ids}::uuid[])`.execute(view.tx);
  return rows;
};

const searchedScopes = ({ sight }: View): string[] => {
  const all = [...sight.scopes.values()];
  const here = all.filter((scope) => scope.session_id === null || scope.session_id === sight.session);
  return [...new Set([...here, ...all])].slice(0, maxSearchedScopes).map((scope) => scope.id);
};

/** At most one more than `maxCandidates`: asks for the newest scopes first, until there are more than are ranked. */
const inAllScopes = async <Row>(view: View, question: Question): Promise<readonly Row[]> => {
  await keepToIndexes(view);
  const ids: string[] = [];
  for (const chunk of chunksOf(searchedScopes(view))) {
    ids.push(...(await newestIn(view, question, chunk)));
    if (ids.length > maxCandidates) break;
  }
  return await load<Row>(view, question.kind, ids.slice(0, maxCandidates + 1));
};

/** The entities whose names, tags and attributes have all these words. */
export const entitiesWithAll = async (
  view: View,
  words: readonly Word[],
  filter: Filter,
): Promise<readonly EntityCandidate[]> => {
  const where = sql<boolean>`${hasAll('e', words)} and ${ofFilter('e', filter)}`;
  const index = (chunk: ScopeChunk) => canHaveAll('e', chunk, words);
  return await inAllScopes<EntityCandidate>(view, { kind: entities, index, where });
};

/** The entities with one of these words: those of which an observation can have the others. */
export const entitiesWithSome = async (
  view: View,
  words: readonly Word[],
): Promise<readonly Pick<EntityCandidate, 'id' | 'text'>[]> => {
  const where = hasSome('e', words);
  const index = (chunk: ScopeChunk) => canHaveSome('e', chunk, words);
  return await inAllScopes<Pick<EntityCandidate, 'id' | 'text'>>(view, { kind: partial, index, where });
};

/** The entities that can have a misspelt form of one of these words. */
export const entitiesLike = async (
  view: View,
  words: readonly Word[],
  filter: Filter,
): Promise<readonly EntityCandidate[]> => {
  const index = (chunk: ScopeChunk) => canHaveMisspelt('e', chunk, words);
  return await inAllScopes<EntityCandidate>(view, { kind: entities, index, where: ofFilter('e', filter) });
};

/** The condition that an observation holds, and that its entity is visible or an anchor that is not among the hidden ones. */
const visible = (view: View, hidden: readonly string[], filter: Filter): Condition =>
  sql<boolean>`${holdsAt('o', view.moment)} and ${ofFilter('o', filter)}
    and (e.scope_id is null or e.scope_id = o.scope_id
      or ${isInScopes(view.sight, 'e.scope_id')})
    and o.entity_id <> all(${hidden}::uuid[])`;

/** The observations that have all of `required`, and each of `words` together with the text of their entity. */
export const observationsWith = async (
  view: View,
  { words, required }: { readonly words: readonly Word[]; readonly required: readonly Word[] },
  filter: Filter,
  hidden: readonly string[],
): Promise<readonly ObservationCandidate[]> => {
  const rest = words.filter((word) => !required.includes(word));
  const where = sql<boolean>`${hasAll('o', required)} and ${hasAllTogether(rest)} and ${visible(view, hidden, filter)}`;
  const index = (chunk: ScopeChunk) => canHaveAll('o', chunk, required);
  return await inAllScopes<ObservationCandidate>(view, { kind: observations(words), index, where });
};

/** The observations of these entities that have the words which the text of the entity lacks. */
export const observationsOf = async (
  view: View,
  { entityIds, words }: { readonly entityIds: readonly string[]; readonly words: readonly Word[] },
  filter: Filter,
): Promise<readonly ObservationCandidate[]> => {
  const { columns } = observations(words);
  const { rows } = await sql<ObservationCandidate>`${sql.raw(replanEachTime)}
    select ${columns} from public.memory_observations as o join public.memory_entities as e on e.id = o.entity_id
    where o.entity_id = any(${entityIds}::uuid[]) and ${hasAllTogether(words)} and ${hasSome('o', words)}
      and ${isInScopes(view.sight, 'o.scope_id')} and ${visible(view, [], filter)}
    order by o.id desc limit ${sql.lit(maxCandidates + 1)}`.execute(view.tx);
  return rows;
};
