/**
 * Finds many byte strings in one pass over a stream (Aho and Corasick, 1975). A state stands for the longest suffix of
 * the input that is a prefix of some needle; 0 is the empty one.
 */
export class Automaton {
  readonly #label: Uint8Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  readonly #fallback: Int32Array;
  readonly #depth: Int32Array;
  readonly #found: Int32Array;
  /** The length of the longest suffix of the input that a needle can continue. */
  readonly #open: Int32Array;
  readonly #fromRoot = new Int32Array(256);
  /**
   * The state after two bytes from the root, or -1 until it is computed. Most of a stream is read by this table alone.
   */
  readonly #fromTwo = new Int32Array(256 * 256).fill(-1);
  #size = 1;
  /** The length of the longest needle. */
  readonly maxLength: number;

  constructor(needles: readonly Uint8Array[]) {
    this.maxLength = needles.reduce((max, needle) => Math.max(max, needle.length), 0);
    const maxStates = needles.reduce((sum, needle) => sum + needle.length, 1);
    this.#label = new Uint8Array(maxStates);
    this.#firstChild = new Int32Array(maxStates);
    this.#nextSibling = new Int32Array(maxStates);
    this.#fallback = new Int32Array(maxStates);
    this.#depth = new Int32Array(maxStates);
    this.#found = new Int32Array(maxStates);
    this.#open = new Int32Array(maxStates);
    for (const needle of needles) this.#add(needle);
    this.#link();
  }

  /** The state after one more byte. */
  next(state: number, byte: number): number {
    if (this.#depth[state] !== 1) return this.#follow(state, byte);
    const pair = (this.#label[state] ?? 0) * 256 + byte;
    const known = this.#fromTwo[pair] ?? -1;
    if (known >= 0) return known;
    const found = this.#follow(state, byte);
    this.#fromTwo[pair] = found;
    return found;
  }

  /** How many of the last bytes may belong to a needle that is not complete yet. */
  depth(state: number): number {
    return this.#open[state] ?? 0;
  }

  /** The length of the longest needle that ends here; 0 for none. */
  found(state: number): number {
    return this.#found[state] ?? 0;
  }

  #follow(state: number, byte: number): number {
    let at = state;
    while (at !== 0) {
      const child = this.#child(at, byte);
      if (child !== 0) return child;
      at = this.#fallback[at] ?? 0;
    }
    return this.#fromRoot[byte] ?? 0;
  }

  #child(state: number, byte: number): number {
    let child = this.#firstChild[state] ?? 0;
    while (child !== 0 && this.#label[child] !== byte) child = this.#nextSibling[child] ?? 0;
    return child;
  }

  #add(needle: Uint8Array): void {
    let state = 0;
    for (const byte of needle) {
      const known = state === 0 ? (this.#fromRoot[byte] ?? 0) : this.#child(state, byte);
      state = known === 0 ? this.#grow(state, byte) : known;
    }
    this.#found[state] = needle.length;
  }

  #grow(parent: number, byte: number): number {
    const child = this.#size;
    this.#size += 1;
    this.#label[child] = byte;
    this.#depth[child] = (this.#depth[parent] ?? 0) + 1;
    if (parent === 0) this.#fromRoot[byte] = child;
    this.#nextSibling[child] = this.#firstChild[parent] ?? 0;
    this.#firstChild[parent] = child;
    return child;
  }

  /** Sets each state's fallback and the needles that end there, breadth first. */
  #link(): void {
    const queue = new Int32Array(this.#size);
    let end = 1;
    for (let at = 0; at < end; at += 1) {
      const state = queue[at] ?? 0;
      for (let child = this.#firstChild[state] ?? 0; child !== 0; child = this.#nextSibling[child] ?? 0) {
        this.#linkChild(state, child);
        queue[end] = child;
        end += 1;
      }
    }
  }

  #linkChild(state: number, child: number): void {
    const fallback = state === 0 ? 0 : this.#follow(this.#fallback[state] ?? 0, this.#label[child] ?? 0);
    this.#fallback[child] = fallback;
    this.#found[child] = Math.max(this.found(child), this.found(fallback));
    this.#open[child] = this.#firstChild[child] === 0 ? this.depth(fallback) : (this.#depth[child] ?? 0);
  }
}
