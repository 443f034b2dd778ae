/** Longer needles are searched for in parts of this length: less of the output is held back, and a part is masked, too. */
const maxPartBytes = 1024;

/** Every needle has at least as many bytes. */
const minBytes = 4;

/** Needles are searched for in groups of those with at least so many bytes, which is what a group can skip at most. */
const windows = [16, 8, minBytes] as const;

/** How many bytes of a window are looked at first. */
const blockBytes = 3;

const minPlaces = 1 << 16;
/** How many places the table of blocks has for each of them, so that few other texts meet one. */
const placesOfBlock = 8;

const hashOf = (bytes: Uint8Array, at: number): number =>
  Math.imul(((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number), 0x9e3779b1);

const textOf = (bytes: Uint8Array, at: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', at, end);

const agree = (needle: Uint8Array, bytes: Uint8Array, at: number, from: number, count: number): boolean => {
  for (let next = from; next < count; next += 1) if (needle[next] !== bytes[at + next]) return false;
  return true;
};

/** A needle in parts; the last one reaches back, so that it is as long as the others. */
const partsOf = (needle: Uint8Array): Uint8Array[] => {
  const count = Math.ceil(needle.length / maxPartBytes);
  return Array.from({ length: count }, (_, part) => {
    const start = Math.max(0, Math.min(part * maxPartBytes, needle.length - maxPartBytes));
    return needle.subarray(start, start + maxPartBytes);
  });
};

type Found = (start: number, end: number) => void;

/**
 * Needles that all have the bytes of a window. The last block of the window tells how far the next needle is at least, so
 * that most of a text is skipped (Wu and Manber, 1994).
 */
class Group {
  readonly #window: number;
  /** By their first window, as Latin-1. */
  readonly #byWindow = new Map<string, Uint8Array[]>();
  /** The windows in order, for texts that end before a window does. */
  readonly #windows: readonly string[];
  /** By the hash of a block: how far the window can move when it ends with this block; 0 where it may hold a needle. */
  readonly #skips: Uint8Array;
  readonly #shift: number;

  constructor(needles: readonly Uint8Array[], window: number) {
    this.#window = window;
    const blocks = window - blockBytes + 1;
    const places = Math.max(minPlaces, needles.length * blocks * placesOfBlock);
    this.#shift = Math.clz32(places - 1);
    this.#skips = new Uint8Array(2 ** (32 - this.#shift)).fill(blocks);
    for (const needle of needles) this.#add(needle);
    this.#windows = [...this.#byWindow.keys()].sort();
  }

  /** See `Needles.find`. */
  find(bytes: Uint8Array, length: number, found: Found): number {
    const skips = this.#skips;
    const shift = this.#shift;
    let open = length;
    let end = this.#window - 1;
    while (end < length) {
      const skip = skips[hashOf(bytes, end - blockBytes + 1) >>> shift] as number;
      if (skip === 0) {
        open = Math.min(open, this.#try(bytes, end - this.#window + 1, length, found));
        end += 1;
      } else end += skip;
    }
    return Math.min(open, this.#openWindow(bytes, length));
  }

  /** Reports the needles that begin here. Returns `at` where one may be completed by more bytes, else `length`. */
  #try(bytes: Uint8Array, at: number, length: number, found: Found): number {
    let open = length;
    for (const needle of this.#byWindow.get(textOf(bytes, at, at + this.#window)) ?? []) {
      const count = Math.min(needle.length, length - at);
      if (!agree(needle, bytes, at, this.#window, count)) continue;
      if (count === needle.length) found(at, at + count);
      else open = at;
    }
    return open;
  }

  /** The first of the last positions, which are fewer than a window, where a needle may begin; else `length`. */
  #openWindow(bytes: Uint8Array, length: number): number {
    for (let at = Math.max(0, length - this.#window + 1); at < length; at += 1)
      if (this.#isBeginning(textOf(bytes, at, length))) return at;
    return length;
  }

  #isBeginning(text: string): boolean {
    let [low, high] = [0, this.#windows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#windows[middle] as string) < text) low = middle + 1;
      else high = middle;
    }
    return this.#windows[low]?.startsWith(text) ?? false;
  }

  #add(needle: Uint8Array): void {
    const key = textOf(needle, 0, this.#window);
    const others = this.#byWindow.get(key);
    if (others) others.push(needle);
    else this.#byWindow.set(key, [needle]);
    for (let end = blockBytes - 1; end < this.#window; end += 1) {
      const place = hashOf(needle, end - blockBytes + 1) >>> this.#shift;
      this.#skips[place] = Math.min(this.#skips[place] as number, this.#window - 1 - end);
    }
  }
}

/** Finds byte strings of at least four bytes. */
export class Needles {
  readonly #groups: readonly Group[];

  constructor(needles: Iterable<Uint8Array>) {
    const known = new Set<string>();
    const parts = new Map<number, Uint8Array[]>(windows.map((window) => [window, []]));
    for (const part of Iterator.from(needles).flatMap(partsOf)) {
      const text = textOf(part, 0, part.length);
      if (known.has(text)) continue;
      known.add(text);
      parts.get(windows.find((window) => part.length >= window) ?? minBytes)?.push(part);
    }
    this.#groups = [...parts].flatMap(([window, own]) => (own.length === 0 ? [] : new Group(own, window)));
  }

  /**
   * Calls `found` with start and end of each needle in the first `length` of these bytes. Returns where the first text begins
   * that more bytes may complete to a needle, or `length`.
   */
  find(bytes: Uint8Array, length: number, found: Found): number {
    return this.#groups.reduce((open, group) => Math.min(open, group.find(bytes, length, found)), length);
  }
}
