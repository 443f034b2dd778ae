/** Longer needles are searched for in parts of this length: less of the output is held back, and a part is masked, too. */
const maxPartBytes = 1024;

/** Every needle has at least as many bytes, by which it is found. */
const headBytes = 4;

/** Needles are searched for in groups of those with at least so many bytes, which is what a group can skip at most. */
const windows = [16, 8, headBytes] as const;

/** How many bytes of a window are looked at first. */
const blockBytes = 3;

const minPlaces = 1 << 16;
/** How many places the table of blocks has for each of them, so that few other texts meet one. */
const placesOfBlock = 8;

const headAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);

/** The number of the first bytes from here, fewer than a head has. It differs by their count, too. */
const beginningAt = (bytes: Uint8Array, at: number, count: number): number => {
  let number = count;
  for (let next = at; next < at + count; next += 1) number = number * 256 + (bytes[next] ?? 0);
  return number;
};

const agree = (needle: Uint8Array, bytes: Uint8Array, at: number, count: number): boolean => {
  for (let next = headBytes; next < count; next += 1) if (needle[next] !== bytes[at + next]) return false;
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
  readonly #byHead = new Map<number, Uint8Array[]>();
  readonly #beginnings = new Set<number>();
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
  }

  /** See `Needles.find`. */
  find(bytes: Uint8Array, length: number, found: Found): number {
    const skips = this.#skips;
    const shift = this.#shift;
    const last = length - 1;
    let open = length;
    let end = this.#window - 1;
    while (end <= last) {
      const block = ((bytes[end - 2] as number) << 16) | ((bytes[end - 1] as number) << 8) | (bytes[end] as number);
      const skip = skips[Math.imul(block, 0x9e3779b1) >>> shift] as number;
      if (skip === 0) {
        open = Math.min(open, this.#try(bytes, end - this.#window + 1, length, found));
        end += 1;
      } else end += skip;
    }
    return Math.min(open, this.#openWindow(bytes, length, found));
  }

  /** Reports the needles that begin here. Returns `at` where one may be completed by more bytes, else `length`. */
  #try(bytes: Uint8Array, at: number, length: number, found: Found): number {
    let open = length;
    for (const needle of this.#byHead.get(headAt(bytes, at)) ?? []) {
      const count = Math.min(needle.length, length - at);
      if (!agree(needle, bytes, at, count)) continue;
      if (count === needle.length) found(at, at + count);
      else open = at;
    }
    return open;
  }

  /** The first of the last positions, which are fewer than a window, where a needle may begin; else `length`. */
  #openWindow(bytes: Uint8Array, length: number, found: Found): number {
    for (let at = Math.max(0, length - this.#window + 1); at < length; at += 1) {
      const left = length - at;
      const isOpen =
        left < headBytes
          ? this.#beginnings.has(beginningAt(bytes, at, left))
          : this.#try(bytes, at, length, found) === at;
      if (isOpen) return at;
    }
    return length;
  }

  #add(needle: Uint8Array): void {
    const head = headAt(needle, 0);
    const others = this.#byHead.get(head);
    const isKnown = (one: Uint8Array): boolean => one.length === needle.length && agree(needle, one, 0, needle.length);
    if (others?.some(isKnown)) return;
    if (others) others.push(needle);
    else this.#byHead.set(head, [needle]);
    for (let count = 1; count < headBytes; count += 1) this.#beginnings.add(beginningAt(needle, 0, count));
    for (let end = blockBytes - 1; end < this.#window; end += 1) {
      const place = Math.imul(headAt(needle, end - blockBytes + 1) >>> 8, 0x9e3779b1) >>> this.#shift;
      this.#skips[place] = Math.min(this.#skips[place] as number, this.#window - 1 - end);
    }
  }
}

/** Finds byte strings of at least four bytes. */
export class Needles {
  readonly #groups: readonly Group[];

  constructor(needles: Iterable<Uint8Array>) {
    const parts = new Map<number, Uint8Array[]>(windows.map((window) => [window, []]));
    for (const needle of needles)
      for (const part of partsOf(needle))
        parts.get(windows.find((window) => part.length >= window) ?? headBytes)?.push(part);
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
