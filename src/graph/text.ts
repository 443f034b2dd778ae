import type { Json } from '../core/json.ts';

/*
 * The text that search compares, and the keys under which PostgreSQL finds it. Both are made here and not in the database,
 * so that every database answers alike, whatever its locale and extensions (decision 25).
 */

/** Letters that are the same letter to somebody who searches, though Unicode does not decompose one into the other. */
const sameLetters: Readonly<Record<string, string>> = {
  ß: 'ss',
  ς: 'σ',
  ı: 'i',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  // Arabic: alef wasla, taa marbuta, alef maqsura, and the Persian kaf and yeh.
  ٱ: 'ا',
  ة: 'ه',
  ى: 'ي',
  ک: 'ك',
  ی: 'ي',
  // Typographic signs, for which people type the plain ones.
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '‐': '-',
  '‒': '-',
  '–': '-',
  '—': '-',
  '−': '-',
};

const sameLetter = new RegExp(`[${Object.keys(sameLetters).join('')}]`, 'gu');
// The Arabic tatweel only stretches a word. The others are not seen: soft hyphens, joiners, byte order marks.
const invisible = /[\p{Default_Ignorable_Code_Point}\u0640]/gu;
const marked =
  /([\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Arabic}\p{Script=Hebrew}])[\p{Mn}\p{Me}]+/gu;
const arabicDigit = /[\u0660-\u0669\u06f0-\u06f9]/g;

/** Zero of ASCII and the Arabic digits end in the same four bits. */
const asciiDigit = (digit: string): string => String(digit.charCodeAt(0) & 15);

const ascii = /^[\0-\x7f]*$/;

/**
 * The form in which search compares text: equal where text differs only in case, width, composition, or in the marks on
 * letters of Latin, Greek, Cyrillic, Arabic and Hebrew. Marks of other scripts make another letter, such as the Japanese
 * dakuten, and stay.
 */
export const fold = (text: string): string => {
  if (ascii.test(text)) return text.toLowerCase();
  return text
    .toWellFormed()
    .normalize('NFKC')
    .replace(invisible, '')
    .toLowerCase()
    .normalize('NFD')
    .replace(marked, '$1')
    .normalize('NFKC')
    .replace(sameLetter, (letter) => sameLetters[letter] ?? letter)
    .replace(arabicDigit, asciiDigit);
};

/** What kind of character this is to search: `dense` is of a script that puts no spaces between words. */
type Kind = 'space' | 'word' | 'dense' | 'sign';

const dense =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;
const wordCharacter = /[\p{L}\p{N}\p{M}]/u;

const findKind = (character: string): Kind => {
  if (/\s/u.test(character)) return 'space';
  if (!wordCharacter.test(character)) return 'sign';
  return dense.test(character) ? 'dense' : 'word';
};

/** The kinds of the characters of the basic plane that were met, by code point. */
const knownKinds: (Kind | undefined)[] = new Array(0x1_00_00);

/** The kind of a character, which is one code point. */
export const kindOf = (character: string): Kind => {
  const code = character.codePointAt(0) ?? 0;
  if (code >= knownKinds.length) return findKind(character);
  knownKinds[code] ??= findKind(character);
  return knownKinds[code] ?? 'sign';
};

/** The bits of a key that are of the gram, which bounds the keys of a text; the bits above are of the scope. */
const gramBits = 14;

/**
 * What the keys of a scope begin with. They lie side by side in the index, so that what is written to one scope touches few
 * of its pages. Two scopes that share a beginning cost time only, since each row's scope is compared.
 */
export const scopeHash = (scopeId: string): number => mixed(hashOn(fnvOffset, scopeId)) << gramBits;

/** The key of a gram in a scope, by the scope's hash: a signed number of 32 bits. */
export const keyOf = (scope: number, gram: string): number =>
  scope | (mixed(hashOn(fnvOffset, gram)) >>> (32 - gramBits));

/** The start of FNV-1a. */
const fnvOffset = 0x811c9dc5;

const hashOn = (start: number, text: string): number => {
  let hash = start;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
};

/** The last step of MurmurHash3, after which each bit depends on every other. */
const mixed = (start: number): number => {
  let hash = start;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
};

/** The parts of a folded text that search can look up: runs of three, two or one characters, and short words. */
export interface Grams {
  /** Three characters of a script with spaces, and pairs with a character of a script without. */
  readonly runs: Set<string>;
  /** Signs, and characters of scripts without spaces. */
  readonly single: Set<string>;
  /** Whole words of one or two letters or digits. */
  readonly words: Set<string>;
}

const addWord = (words: Set<string>, text: readonly string[], start: number, end: number): void => {
  const length = end - start;
  if (length === 1 || length === 2) words.add(text.slice(start, end).join(''));
};

/** The grams of a folded text. */
export const gramsOf = (folded: string): Grams => {
  const grams: Grams = { runs: new Set(), single: new Set(), words: new Set() };
  const text = [...folded];
  const kinds = text.map(kindOf);
  let start = 0;
  for (const [at, kind] of kinds.entries()) {
    addRuns(grams, text, kinds, at);
    if (kind === 'word') continue;
    addWord(grams.words, text, start, at);
    start = at + 1;
  }
  addWord(grams.words, text, start, text.length);
  return grams;
};

/** Adds the runs that begin at a character, and the character itself if it can be looked up alone. */
const addRuns = ({ runs, single }: Grams, text: readonly string[], kinds: readonly Kind[], at: number): void => {
  const [first, second, third] = [kinds[at], kinds[at + 1], kinds[at + 2]];
  if (first === 'space' || first === undefined) return;
  const [one = '', two = '', three = ''] = [text[at], text[at + 1], text[at + 2]];
  if (first !== 'word') single.add(one);
  if (second === undefined || second === 'space') return;
  if (first === 'dense' || second === 'dense') runs.add(one + two);
  else if (third === 'word' || third === 'sign') runs.add(one + two + three);
};

/** The keys under which a folded text is found in a scope: distinct, and at most 16,384 of them however long it is. */
export const keysOf = (scopeId: string, folded: string): number[] => {
  const scope = scopeHash(scopeId);
  const { runs, single, words } = gramsOf(folded);
  const keys = new Set<number>();
  for (const grams of [runs, single, words]) for (const gram of grams) keys.add(keyOf(scope, gram));
  return [...keys];
};

/** The values within a JSON value, however deep, without the names of its members. */
export const textsIn = (value: Json): string[] => {
  if (value === null) return [];
  if (typeof value !== 'object') return [String(value)];
  return Object.values(value).flatMap(textsIn);
};
