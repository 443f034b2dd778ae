import { fold, kindOf } from '../text.ts';
import type { Word } from './query.ts';

/** The grams by which two names are compared: with the ends marked, so that how a name begins counts. */
const nameGrams = (folded: string): Set<string> => {
  const grams = new Set<string>();
  for (const word of folded.split(/\s+/u)) {
    const text = ['', '', ...word, ''].map((one) => (one === '' ? ' ' : one));
    for (let at = 0; at + 2 < text.length; at += 1) grams.add(text.slice(at, at + 3).join(''));
  }
  return grams;
};

const jaccard = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => {
  let common = 0;
  for (const gram of a) if (b.has(gram)) common += 1;
  const all = a.size + b.size - common;
  return all === 0 ? 0 : common / all;
};

/** Compares a folded query with folded names: the share of the trigrams of either that both have, from 0 to 1. */
export const createSimilarity = (query: string): ((name: string) => number) => {
  const grams = nameGrams(query);
  return (name) => jaccard(grams, nameGrams(name));
};

const digitsOf = (text: string): string => text.replace(/[^\p{N}]/gu, '');

/** The least similarity at which a name counts as the query with a slip of the keyboard. */
const minSimilarity = 0.4;

/**
 * How similar a name is to a query that nothing contains: as a whole, or one of its words; 0 if it is no typing error.
 * Numbers must be the same: `SR-2023-052` is not a misspelt `SR-2023-053`.
 */
export const createMisspelling = (query: string): ((name: string) => number) => {
  const whole = createSimilarity(query);
  const digits = digitsOf(query);
  return (name) => {
    const folded = fold(name);
    const parts = [folded, ...folded.split(/\s+/u)].filter((part) => digitsOf(part) === digits);
    const best = Math.max(0, ...parts.map(whole));
    return best >= minSimilarity ? best : 0;
  };
};

const minPart = { word: 3, dense: 2 };

/**
 * The parts of a word of which a misspelt form still has one: its beginning or its end. Empty for words that are too short.
 */
export const intactParts = ({ text }: Word): string[] => {
  const characters = [...text];
  const least = characters.some((one) => kindOf(one) === 'dense') ? minPart.dense : minPart.word;
  if (characters.length < least + 1) return [];
  const length = Math.max(least, Math.ceil(characters.length / 2) - 1);
  return [characters.slice(0, length).join(''), characters.slice(-length).join('')];
};
