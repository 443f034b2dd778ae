import { type RawBuilder, sql } from 'kysely';
import { keyOf, scopeHash } from '../text.ts';
import { someGrams, type Word, wordsOf } from './query.ts';
import { intactParts } from './similar.ts';

/*
 * Conditions by which the GIN index on `keys` finds the texts of some scopes. They find a few texts too many, such as one
 * in which the grams of a word stand apart, so that each goes with a comparison of the text.
 */

/** Scopes that one statement looks through. */
export interface ScopeChunk {
  readonly ids: readonly string[];
  readonly hashes: readonly number[];
}

const firstChunk = 100;
const maxChunk = 1000;

/** Divides scopes so that the first statements are quick, since the newest scopes mostly have enough. */
export function* chunksOf(ids: readonly string[]): Generator<ScopeChunk> {
  let size = firstChunk;
  for (let at = 0; at < ids.length; ) {
    const part = ids.slice(at, at + size);
    yield { ids: part, hashes: part.map(scopeHash) };
    at += size;
    size = Math.min(maxChunk, size * 4);
  }
}

/** How many keys a statement looks up, about: with fewer grams for each of many scopes. */
const maxKeys = 1500;
const maxGramsOfWord = 6;
/** So many of a query's words are looked up, the longest; the others are only compared. */
const maxWordsLookedUp = 4;

type Condition = RawBuilder<boolean>;

const every = (conditions: readonly Condition[]): Condition =>
  conditions.length === 0 ? sql<boolean>`true` : sql<boolean>`(${sql.join(conditions, sql` and `)})`;
const some = (conditions: readonly Condition[]): Condition => sql<boolean>`(${sql.join(conditions, sql` or `)})`;

/** In a subquery, so that the planner does not spend milliseconds on estimating each of a thousand keys. */
const hasGram = (alias: string, { hashes }: ScopeChunk, gram: string): Condition =>
  sql<boolean>`${sql.ref(`${alias}.keys`)} && (select ${hashes.map((hash) => keyOf(hash, gram))}::int[])`;

const gramsPerWord = (chunk: ScopeChunk, words: number): number =>
  Math.max(1, Math.min(maxGramsOfWord, Math.floor(maxKeys / (chunk.ids.length * words))));

const hasGrams = (alias: string, chunk: ScopeChunk, word: Word, count: number): Condition =>
  every(someGrams(word, count).map((gram) => hasGram(alias, chunk, gram)));

/** The condition that the text of `alias` can have all these words. */
export const canHaveAll = (alias: string, chunk: ScopeChunk, words: readonly Word[]): Condition => {
  const looked = words.slice(0, maxWordsLookedUp);
  const count = gramsPerWord(chunk, looked.length);
  return every(looked.map((word) => hasGrams(alias, chunk, word, count)));
};

/** The condition that the text of `alias` can have at least one of these words. */
export const canHaveSome = (alias: string, chunk: ScopeChunk, words: readonly Word[]): Condition => {
  const count = gramsPerWord(chunk, words.length);
  return some(words.map((word) => hasGrams(alias, chunk, word, count)));
};

/** The condition that the text of `alias` can have a misspelt form of one of these words; null where all are too short. */
export const canHaveMisspelt = (alias: string, chunk: ScopeChunk, words: readonly Word[]): Condition | null => {
  const parts = words.slice(0, maxWordsLookedUp).flatMap(intactParts).flatMap(wordsOf);
  if (parts.length === 0) return null;
  const count = gramsPerWord(chunk, parts.length);
  return some(parts.map((part) => hasGrams(alias, chunk, part, count)));
};

/** The condition that the text of `alias` has this word, at whatever place. */
const has = (alias: string, { text }: Word): Condition =>
  sql<boolean>`strpos(${sql.ref(`${alias}.search`)}, ${text}) > 0`;

export const hasAll = (alias: string, words: readonly Word[]): Condition =>
  every(words.map((word) => has(alias, word)));

export const hasSome = (alias: string, words: readonly Word[]): Condition =>
  some(words.map((word) => has(alias, word)));

/** The condition that the text of an observation `o` or of its entity `e` has each word. */
export const hasAllTogether = (words: readonly Word[]): Condition =>
  every(words.map((word) => some([has('o', word), has('e', word)])));

/** How many of these words the text of `alias` has. */
export const countOf = (alias: string, words: readonly Word[]): RawBuilder<number> =>
  sql<number>`(${sql.join(
    words.map((word) => sql`(${has(alias, word)})::int`),
    sql` + `,
  )})`;
