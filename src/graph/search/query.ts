import { invalid } from '../../core/errors.ts';
import { fold, gramsOf, kindOf } from '../text.ts';
import { maxQueryLength } from '../vocabulary.ts';

/** A word of a query, folded. */
export interface Word {
  readonly text: string;
  /** True for one or two letters or digits, which are found as a whole word only. */
  readonly wholeOnly: boolean;
  /** The grams that a text with this word has, the ones to look up first. Never empty. */
  readonly grams: readonly string[];
}

/** What people put around words without searching for it: quotes, brackets, and the punctuation of sentences. */
const opening = /^["'([{<«¿¡「『（]+/u;
const closing = /[?!.,;:"')\]}>»。、」』…]+$/u;
const wordlike = /[\p{L}\p{N}]/u;

/** The words of a query, each once and the longest first. Signs alone are words, too. Throws `invalid_request` if it is too long. */
export const wordsOf = (q: string): Word[] => {
  if ([...q].length > maxQueryLength) throw invalid('q', `must have at most ${maxQueryLength} characters.`);
  const texts = new Set(fold(q).split(/\s+/u).map(bare));
  texts.delete('');
  return [...texts].map(wordOf).sort((a, b) => b.text.length - a.text.length);
};

const bare = (word: string): string => {
  const inner = word.replace(opening, '').replace(closing, '');
  return wordlike.test(inner) ? inner : word;
};

const wordOf = (text: string): Word => {
  const { runs, single, words } = gramsOf(text);
  const characters = [...text];
  const wholeOnly = characters.length <= 2 && characters.every((one) => kindOf(one) === 'word');
  const grams = runs.size > 0 ? [...runs] : wholeOnly ? [...words] : [...single];
  return { text, wholeOnly, grams };
};

/** Some of the grams of a word, spread over it. */
export const someGrams = ({ grams }: Word, count: number): string[] => {
  if (grams.length <= count) return [...grams];
  const middle = Math.floor(grams.length / 2);
  if (count === 1) return grams.slice(middle, middle + 1);
  const step = (grams.length - 1) / (count - 1);
  return Array.from({ length: count }, (_, at) => grams[Math.round(at * step)] ?? '');
};

const isPartOfWord = (character: string | undefined): boolean =>
  character !== undefined && kindOf(character) === 'word';

/** Whether a word begins and ends where a word of the text does, at this place. */
const isWholeAt = (text: string, word: string, at: number): boolean =>
  !isPartOfWord([...text.slice(Math.max(0, at - 2), at)].at(-1)) &&
  !isPartOfWord([...text.slice(at + word.length, at + word.length + 2)][0]);

/** How a folded text has a word: as a whole word, as a part of one, or not at all. */
export const occurrence = (text: string, { text: word, wholeOnly }: Word): 'whole' | 'part' | null => {
  let at = text.indexOf(word);
  if (at === -1) return null;
  while (at !== -1) {
    if (isWholeAt(text, word, at)) return 'whole';
    at = text.indexOf(word, at + 1);
  }
  return wholeOnly ? null : 'part';
};
