import type { NamedNodes, NameQuery } from '../derived/names.ts';
import type { DerivedNode } from '../model.ts';
import type { View } from '../read.ts';
import { fold } from '../text.ts';
import {
  type EntityCandidate,
  entitiesLike,
  entitiesWithAll,
  entitiesWithSome,
  type Filter,
  maxCandidates,
  type ObservationCandidate,
  observationsOf,
  observationsWith,
} from './candidates.ts';
import { occurrence, type Word } from './query.ts';
import type { Named } from './rank.ts';
import { createMisspelling } from './similar.ts';

/** How search learns of derived nodes. */
export interface DerivedNames {
  /** Derived nodes of such names that the caller may see, `cap` of each kind at most. */
  named(view: View, query: NameQuery, cap: number): Promise<NamedNodes>;
  /** Those of these ids that are derived nodes which the caller may see. */
  byId(view: View, ids: readonly string[]): Promise<ReadonlyMap<string, DerivedNode>>;
}

/** What matches, before it is ranked. */
export interface Gathered {
  readonly named: readonly Named[];
  readonly observations: readonly ObservationCandidate[];
  /** The derived nodes among them. */
  readonly derived: ReadonlyMap<string, DerivedNode>;
  /** True where nothing has every word, and names are merely like the query. */
  readonly isLike: boolean;
  /** True where more is visible than was gathered. */
  readonly truncated: boolean;
}

export interface Query {
  readonly q: string;
  readonly words: readonly Word[];
  readonly filter: Filter;
}

/** The derived nodes that observations are about, by whether the caller may see them. */
interface Anchors {
  readonly derived: Map<string, DerivedNode>;
  readonly hidden: Set<string>;
}

/** Derived nodes of each kind, at most. */
const maxNamed = 200;
/** A word in more names than this is looked for in observations first. */
const maxPartial = 500;

const hasEvery = (words: readonly Word[], ...texts: readonly string[]): boolean =>
  words.every((word) => texts.some((text) => occurrence(text, word) !== null));

const isCut = ({ length }: readonly unknown[]): boolean => length > maxCandidates;

export const createGather = (derivedNames: DerivedNames) => {
  const derivedNamed = async (view: View, { words, filter }: Query): Promise<NamedNodes> => {
    // Derived nodes have no tags, and no time at which somebody recorded them.
    if (filter.tag !== undefined || filter.since !== undefined || filter.until !== undefined)
      return { nodes: [], truncated: false };
    const isMatch = (name: string): boolean => hasEvery(words, name);
    const query = { words: words.map((word) => word.text), isMatch, type: filter.type };
    return await derivedNames.named(view, query, maxNamed);
  };

  /** Sorts the anchors among these rows into visible and hidden ones. Resolves to true if a hidden one is new. */
  const sortAnchors = async (view: View, rows: readonly ObservationCandidate[], anchors: Anchors): Promise<boolean> => {
    const { derived, hidden } = anchors;
    const ids = new Set(rows.filter((row) => row.anchored).map((row) => row.entity_id));
    const unknown = [...ids].filter((id) => !derived.has(id) && !hidden.has(id));
    if (unknown.length === 0) return false;
    for (const [id, node] of await derivedNames.byId(view, unknown)) derived.set(id, node);
    const missing = unknown.filter((id) => !derived.has(id));
    for (const id of missing) hidden.add(id);
    return missing.length > 0;
  };

  /**
   * Observations of visible entities. Those of derived nodes that the caller may not see now are left out, and asked for
   * again without: they must not take the place of others.
   */
  const ofVisible = async (
    view: View,
    ask: (hidden: readonly string[]) => Promise<readonly ObservationCandidate[]>,
  ): Promise<{ readonly rows: readonly ObservationCandidate[] } & Anchors> => {
    const anchors: Anchors = { derived: new Map(), hidden: new Set() };
    for (;;) {
      const rows = await ask([...anchors.hidden]);
      const isIncomplete = (await sortAnchors(view, rows, anchors)) && isCut(rows);
      if (!isIncomplete) return { rows: rows.filter((row) => !anchors.hidden.has(row.entity_id)), ...anchors };
    }
  };

  /** Observations that have some of the words, while the text of their entity has the others. */
  const spread = async (view: View, { words, filter }: Query) => {
    const partial = await entitiesWithSome(view, words);
    const isCommon = (word: Word): boolean =>
      partial.filter((one) => occurrence(one.text, word) !== null).length > maxPartial;
    const common = isCut(partial) ? words.filter(isCommon) : [];
    const rare = words.filter((word) => !common.includes(word));
    const narrowed = common.length > 0 && rare.length > 0 ? await entitiesWithSome(view, rare) : partial;
    const entityIds = narrowed.slice(0, maxCandidates).map((one) => one.id);
    const near = entityIds.length === 0 ? [] : await observationsOf(view, { entityIds, words }, filter);
    const truncated = isCut(narrowed) || isCut(near);
    if (common.length === 0 || rare.length === 0) return { near, required: words, truncated };
    return { near, required: rare, truncated };
  };

  const exact = async (view: View, query: Query): Promise<Gathered> => {
    const { words, filter } = query;
    const { nodes, truncated: areMoreNodes } = await derivedNamed(view, query);
    const entities = await entitiesWithAll(view, words, filter);
    const { near, required, truncated } =
      words.length > 1 ? await spread(view, query) : { near: [], required: words, truncated: false };
    const { rows, derived } = await ofVisible(view, (hidden) =>
      observationsWith(view, { words, required }, filter, hidden),
    );
    const all = new Map([...near, ...rows].map((row) => [row.id, row]));
    return {
      named: [...entities.slice(0, maxCandidates), ...nodes.map(namedOf)].filter(({ text }) => isMatch(words, text)),
      observations: [...all.values()].filter((row) => isMatch(words, row.text, row.entity_text)),
      isLike: false,
      derived: new Map([...derived, ...nodes.map((node) => [node.id, node] as const)]),
      truncated: truncated || isCut(entities) || isCut(rows) || areMoreNodes,
    };
  };

  const misspelt = async (view: View, { q, words, filter }: Query): Promise<Gathered> => {
    const similarity = createMisspelling(fold(q.trim()));
    const like = await entitiesLike(view, words, filter);
    const named = like.filter((one: EntityCandidate) => one.names.some((name) => similarity(name) > 0));
    return {
      named: named.slice(0, maxCandidates),
      observations: [],
      isLike: true,
      derived: new Map(),
      truncated: isCut(like),
    };
  };

  /** Gathers what has every word of the query; if nothing does, the entities of which a name is like the query. */
  return async (view: View, query: Query): Promise<Gathered> => {
    const found = await exact(view, query);
    const isEmpty = found.named.length === 0 && found.observations.length === 0;
    return isEmpty ? await misspelt(view, query) : found;
  };
};

const namedOf = (node: DerivedNode): Named => ({ id: node.id, names: [node.name], text: fold(node.name) });

/** Texts from the database end after some thousand characters: a word that is not seen in such a text may follow. */
const maxSeen = 4000;

/** Whether these texts have each word. PostgreSQL compared them already, except for where the short ones begin and end. */
const isMatch = (words: readonly Word[], ...texts: readonly string[]): boolean =>
  texts.some((text) => text.length >= maxSeen) || hasEvery(words, ...texts);
