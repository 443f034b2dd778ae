import { fold } from '../text.ts';
import type { EntityCandidate, ObservationCandidate } from './candidates.ts';
import { occurrence, type Word } from './query.ts';
import { createSimilarity } from './similar.ts';

/** A node that matches, with the observations that do, the best first. */
export interface Ranked {
  readonly id: string;
  readonly score: number;
  readonly observations: readonly string[];
}

/** A node that matches by its own text. */
export type Named = Pick<EntityCandidate, 'id' | 'names' | 'text'>;

/** The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): how little the first ranks stand out. */
const fusion = 60;
/** What a name adds to the score that is the query itself: more than any rank. */
const exactScore = 1;
const sameFoldedScore = 0.5;

type Key = readonly (number | string)[];

/** The greater key first, compared part by part. */
const compareKeys = (a: Key, b: Key): number => {
  for (const [at, part] of a.entries()) {
    const other = b[at] ?? part;
    if (part !== other) return part > other ? -1 : 1;
  }
  return 0;
};

const byKey = <T>(items: readonly T[], keyOf: (item: T) => Key): T[] =>
  items
    .map((item) => ({ item, key: keyOf(item) }))
    .sort((a, b) => compareKeys(a.key, b.key))
    .map(({ item }) => item);

const wholeWords = (text: string, words: readonly Word[]): number =>
  words.filter((word) => occurrence(text, word) === 'whole').length;

/** Those with more words first, then with more of them as whole words, then the newest. */
const rankObservations = (found: readonly ObservationCandidate[], words: readonly Word[]): ObservationCandidate[] =>
  byKey(found, (one) => [one.matched, wholeWords(one.text, words), one.id]);

const exactness = ({ names }: Named, q: string, folded: string): number => {
  if (names.includes(q)) return exactScore;
  return names.some((name) => fold(name) === folded) ? sameFoldedScore : 0;
};

/** Adds the score and the observations of each node. */
export class Ranking {
  readonly #scores = new Map<string, number>();
  readonly #observations = new Map<string, string[]>();
  readonly #q: string;
  readonly #words: readonly Word[];

  constructor(q: string, words: readonly Word[]) {
    this.#q = q.trim();
    this.#words = words;
  }

  #add(id: string, score: number): void {
    this.#scores.set(id, (this.#scores.get(id) ?? 0) + score);
  }

  /** Ranks nodes by their best observation. */
  addObservations(found: readonly ObservationCandidate[]): void {
    let rank = 0;
    for (const { id, entity_id } of rankObservations(found, this.#words)) {
      const known = this.#observations.get(entity_id);
      if (known) known.push(id);
      else {
        rank += 1;
        this.#add(entity_id, 1 / (fusion + rank));
        this.#observations.set(entity_id, [id]);
      }
    }
  }

  /** Ranks nodes by how much their names are like the query, an exact name first; `similarity` compares one name. */
  addNamed(found: readonly Named[], similarity = this.#similarity()): void {
    const folded = fold(this.#q);
    const best = (one: Named): number => Math.max(0, ...one.names.map(similarity));
    const ranked = byKey(found, (one) => [
      exactness(one, this.#q, folded),
      best(one),
      wholeWords(one.text, this.#words),
      one.id,
    ]);
    for (const [at, one] of ranked.entries())
      this.#add(one.id, 1 / (fusion + at + 1) + exactness(one, this.#q, folded));
  }

  #similarity(): (name: string) => number {
    const compare = createSimilarity(fold(this.#q));
    return (name) => compare(fold(name));
  }

  /** The best first; of equal ones, the newest. */
  ranked(): Ranked[] {
    const all = [...this.#scores].map(([id, score]) => ({ id, score, observations: this.#observations.get(id) ?? [] }));
    return byKey(all, ({ score, id }) => [score, id]);
  }
}
