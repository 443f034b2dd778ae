/*
 * Looks for planted texts wherever they could have got to: whole or in part, in every spelling in which they could be
 * there.
 */

/** Any so many characters in a row of a planted text are looked for. */
export const pieceLength = 6;
/** In base64, a piece is as many bytes: fewer leave too little that depends on nothing around it. */
const base64PieceBytes = 12;

export interface Leak {
  /** What was found, by the name under which it was planted. */
  readonly planted: string;
  readonly where: string;
  readonly around: string;
}

export interface Search {
  /**
   * Plants a text: from now on it is looked for, under this name. Its pieces too, for which it must be random throughout;
   * `pieces: false` is for texts that share parts with others.
   */
  plant(name: string, text: string, options?: { readonly pieces?: boolean }): string;
  /** What was planted and is in this text, each name once. `except` are names that may be there. */
  find(where: string, text: string, except?: (name: string) => boolean): Leak[];
}

export const createSearch = (): Search => {
  const needles = new Map<string, string>();
  // By their first characters, so that a text is gone through once, however many needles there are.
  const byHead = new Map<string, Set<string>>();
  const add = (needle: string, name: string): void => {
    needles.set(needle, name);
    const head = needle.slice(0, headLength);
    byHead.set(head, (byHead.get(head) ?? new Set()).add(needle));
  };
  return {
    plant: (name, text, { pieces = true } = {}) => {
      const all = [...wholeSpellings(text), ...(pieces ? pieceSpellings(text) : [])];
      const short = all.find((spelling) => spelling.length < pieceLength);
      if (short !== undefined) throw new Error(`a planted text is too short to be looked for: ${short}`);
      for (const spelling of all) add(spelling, name);
      return text;
    },
    find: (where, text, except = () => false) => {
      const found = new Map<string, Leak>();
      for (let at = 0; at < text.length; at += 1) {
        for (const needle of byHead.get(text.slice(at, at + headLength)) ?? []) {
          const planted = needles.get(needle) ?? '';
          if (found.has(planted) || !text.startsWith(needle, at) || except(planted)) continue;
          found.set(planted, { planted, where, around: text.slice(Math.max(0, at - 60), at + 80) });
        }
      }
      return [...found.values()];
    },
  };
};

/** Every piece of a text: its beginning tells almost as much as all of it. */
export const piecesOf = (text: string): readonly string[] => {
  if (text.length < pieceLength) throw new Error(`a text is too short to be looked for in pieces: ${text}`);
  return windows([...text], pieceLength).map((characters) => characters.join(''));
};

const headLength = 4;

const wholeSpellings = (text: string): string[] => [
  ...textSpellings(text),
  ...hexSpellings(Buffer.from(text)),
  ...base64Spellings(Buffer.from(text)),
];

const pieceSpellings = (text: string): string[] => [
  ...piecesOf(text).flatMap(textSpellings),
  ...windows([...Buffer.from(text)], pieceLength).flatMap((bytes) => hexSpellings(Buffer.from(bytes))),
  ...windows([...Buffer.from(text)], base64PieceBytes).flatMap((bytes) => base64Spellings(Buffer.from(bytes))),
];

const windows = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.max(0, list.length - size + 1) }, (_, at) => list.slice(at, at + size));

const textSpellings = (text: string): string[] => {
  const url = encodeURIComponent(text);
  return [
    text,
    escapeJson(text),
    escapeAll(text),
    escapeJson(escapeJson(text)),
    url,
    url.replaceAll('%20', '+'),
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  ];
};

const escapeJson = (text: string): string => JSON.stringify(text).slice(1, -1);

/** JSON as a careful writer makes it: everything beyond ASCII as an escape, and slashes too. */
const escapeAll = (text: string): string =>
  escapeJson(text)
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('/', '\\/');

const hexSpellings = (bytes: Buffer): string[] => {
  const hex = bytes.toString('hex');
  return [hex, hex.toUpperCase()];
};

/** The part of the base64 that depends on nothing around it, for each of the three places where a group can begin. */
const base64Spellings = (bytes: Buffer): string[] =>
  [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
    const whole = shifted.subarray(0, shifted.length - (shifted.length % 3)).toString('base64');
    const inner = whole.slice(offset === 0 ? 0 : 4);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
