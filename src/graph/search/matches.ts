import type { SearchMatch } from '../operations.ts';
import type { ShownEntity } from '../show.ts';
import { fold, textsIn } from '../text.ts';
import { occurrence, type Word } from './query.ts';

/** How much of an observation a match quotes, in UTF-16 code units. */
const maxQuote = 1000;
const before = 100;
/** The most matches of one result. */
const maxMatches = 10;
/** The most observations among them. */
export const maxObservations = 5;

const hasSome = (words: readonly Word[], text: string): boolean => {
  const folded = fold(text);
  return words.some((word) => occurrence(folded, word) !== null);
};

/** A text, or the part of a long one where the first of these words is. */
const quoteOf = (content: string, words: readonly Word[]): string => {
  if (content.length <= maxQuote) return content;
  const folded = fold(content);
  const places = words.map(({ text }) => folded.indexOf(text)).filter((at) => at !== -1);
  // Folding changes lengths here and there, so that the place is about right.
  const start = Math.max(0, Math.min(content.length - maxQuote, Math.min(...places, content.length) - before));
  return content.slice(start, start + maxQuote).toWellFormed();
};

/** Where a node matches: its name, aliases, tags and attributes, then the observations. */
export const matchesOf = (
  words: readonly Word[],
  node: {
    readonly name: string | null;
    readonly aliases: readonly string[];
    readonly row: Pick<ShownEntity, 'tags' | 'attributes'> | null;
    readonly observations: readonly { readonly id: string; readonly content: string }[];
    /** Whether a name counts where it has none of the words, since it is like the query. */
    readonly isLike: (name: string) => boolean;
  },
): SearchMatch[] => {
  const { name, aliases, row, observations, isLike } = node;
  const matching = (place: SearchMatch['in'], texts: readonly string[]): SearchMatch[] =>
    texts
      .filter((text) => hasSome(words, text) || ((place === 'name' || place === 'alias') && isLike(text)))
      .map((text) => ({ in: place, text, observation_id: null }));
  const own = [
    ...matching('name', name === null ? [] : [name]),
    ...matching('alias', aliases),
    ...matching('tag', row?.tags ?? []),
    ...matching('attribute', textsIn(row?.attributes ?? {})),
  ];
  const quoted = observations.map(
    ({ id, content }): SearchMatch => ({ in: 'observation', text: quoteOf(content, words), observation_id: id }),
  );
  return [...own.slice(0, maxMatches - quoted.length), ...quoted];
};
