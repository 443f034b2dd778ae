/*
 * Looks for planted values wherever they could have got to, in every spelling in which they could be there.
 */

const escapeJson = (text: string): string => JSON.stringify(text).slice(1, -1);

/** JSON as a careful writer makes it: everything beyond ASCII as an escape, and slashes too. */
const escapeAll = (text: string): string =>
  escapeJson(text)
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('/', '\\/');

/**
 * The part of a value's base64 that depends on nothing around it, for each of the three places in which it can begin in a
 * group of three bytes.
 */
const base64 = (value: string): string[] =>
  [0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]);
    const whole = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64');
    const inner = whole.slice(offset === 0 ? 0 : 4);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });

/** Every spelling of a value that is looked for. Each is long enough to be nobody else's. */
const spellings = (value: string): readonly string[] => {
  const hex = Buffer.from(value).toString('hex');
  const url = encodeURIComponent(value);
  const all = [
    value,
    escapeJson(value),
    escapeAll(value),
    escapeJson(escapeJson(value)),
    url,
    url.replaceAll('%20', '+'),
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    hex,
    hex.toUpperCase(),
    ...base64(value),
  ];
  const short = all.find((spelling) => spelling.length < 12);
  if (short !== undefined) throw new Error(`a planted value is too short to be looked for: ${short}`);
  return [...new Set(all)];
};

/** Every piece of this many characters in a row: the beginning of a value tells almost as much as all of it. */
export const piecesOf = (text: string, length = 6): readonly string[] => {
  if (text.length < length) throw new Error(`a text is too short to be looked for in pieces: ${text}`);
  return Array.from({ length: text.length - length + 1 }, (_, at) => text.slice(at, at + length));
};

export interface Leak {
  /** What was found, by the name under which it was planted. */
  readonly planted: string;
  readonly where: string;
  readonly around: string;
}

/** A search for everything that was planted so far. */
export const createSearch = () => {
  const needles = new Map<string, string>();
  return {
    /** Plants a value: from now on it is looked for, under this name. */
    plant: (name: string, value: string): string => {
      for (const spelling of spellings(value)) needles.set(spelling, name);
      return value;
    },
    /** What was planted and is in this text. `except` are names that may be there. */
    find: (where: string, text: string, except: (name: string) => boolean = () => false): Leak[] =>
      [...needles].flatMap(([spelling, planted]) => {
        const at = except(planted) ? -1 : text.indexOf(spelling);
        return at < 0 ? [] : [{ planted, where, around: text.slice(Math.max(0, at - 60), at + 80) }];
      }),
  };
};
