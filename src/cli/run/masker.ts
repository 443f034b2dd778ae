import { Automaton } from './automaton.ts';
import { base64FormsOf, formsOf } from './forms.ts';

/** What stands in the output in place of values. */
const maskText = '[masked]';

/** Looks for values in streams of bytes. Reading may differ: each stream has a masker of its own. */
export interface Masker {
  /** What can be said for certain after this chunk; the rest is held back until more has come. */
  push(chunk: Uint8Array): Buffer;
  /** What was held back. */
  end(): Buffer;
}

interface Span {
  start: number;
  end: number;
}

const mask = Buffer.from(maskText);
const nothing = Buffer.alloc(0);

/** Fewer characters of base64 than this tell at most two bytes of a value. */
const leastHeldOverLines = 4;

/** Where the needles of one automaton end in a stream of bytes, some of which it does not see. */
class Search {
  readonly #automaton: Automaton;
  readonly #sees: (byte: number) => boolean;
  #state = 0;
  /** Where the last bytes that it saw stand in the stream, by their count; as many as a needle is long. */
  readonly #places: Float64Array;
  #seen = 0;
  /** Nothing before this place is covered or held back any more. */
  #floor = 0;

  constructor(automaton: Automaton, sees: (byte: number) => boolean) {
    this.#automaton = automaton;
    this.#sees = sees;
    this.#places = new Float64Array(automaton.longest + 1);
  }

  /** Reads the byte at this place. Answers where the longest needle that ends with it begins, or -1. */
  read(byte: number, place: number): number {
    if (!this.#sees(byte)) {
      // A hint at the end of a line is said with it, whatever comes of it: to hold every such line back would hinder more
      // than those few characters tell.
      if (this.#automaton.depth(this.#state) < leastHeldOverLines) this.#floor = place + 1;
      return -1;
    }
    this.#places[this.#seen % this.#places.length] = place;
    this.#seen += 1;
    this.#state = this.#automaton.next(this.#state, byte);
    const length = this.#automaton.found(this.#state);
    return length === 0 ? -1 : Math.max(this.#floor, this.#placeBefore(length));
  }

  /** Where what may still become a needle begins; `otherwise` where nothing may. */
  pending(otherwise: number): number {
    const depth = this.#automaton.depth(this.#state);
    return depth === 0 ? otherwise : Math.max(this.#floor, this.#placeBefore(depth));
  }

  reset(): void {
    this.#state = 0;
  }

  #placeBefore(count: number): number {
    return this.#places[(this.#seen - count) % this.#places.length] ?? 0;
  }
}

const everyByte = (): boolean => true;
/** Base64 is broken into lines anywhere (RFC 2045, section 6.8); what breaks it belongs to none of it. */
const noLineEnd = (byte: number): boolean => byte !== 0x0a && byte !== 0x0d;

class StreamMasker implements Masker {
  readonly #searches: readonly Search[];
  /** Bytes that may still turn out to belong to a value, and where in the stream they begin. */
  #held: Buffer = nothing;
  #from = 0;
  /** Stretches that values cover, apart from each other and in order, at or after `#from`. */
  #spans: Span[] = [];
  /** True when what was said last was the mask: a value that goes on is not masked twice. */
  #masking = false;

  constructor(searches: readonly Search[]) {
    this.#searches = searches;
  }

  push(chunk: Uint8Array): Buffer {
    const start = this.#from + this.#held.length;
    this.#held = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    for (let index = 0; index < chunk.length; index += 1) {
      for (const search of this.#searches) {
        const begin = search.read(chunk[index] ?? 0, start + index);
        if (begin >= 0) this.#cover(begin, start + index + 1);
      }
    }
    const end = start + chunk.length;
    return this.#say(Math.min(...this.#searches.map((search) => search.pending(end))));
  }

  end(): Buffer {
    for (const search of this.#searches) search.reset();
    return this.#say(this.#from + this.#held.length);
  }

  #cover(from: number, end: number): void {
    let start = from;
    for (let last = this.#spans.at(-1); last && last.end >= start; last = this.#spans.at(-1)) {
      start = Math.min(start, last.start);
      this.#spans.pop();
    }
    this.#spans.push({ start, end });
  }

  /** Everything before `until`, with the mask where values are. */
  #say(until: number): Buffer {
    const parts: Buffer[] = [];
    let at = this.#from;
    const spell = (to: number): void => {
      if (to <= at) return;
      parts.push(this.#held.subarray(at - this.#from, to - this.#from));
      this.#masking = false;
      at = to;
    };
    for (const span of this.#spans) {
      if (span.start >= until) break;
      spell(span.start);
      if (!this.#masking) parts.push(mask);
      this.#masking = true;
      at = Math.min(span.end, until);
    }
    spell(until);
    this.#spans = this.#spans.filter((span) => span.end > until);
    this.#held = this.#held.subarray(until - this.#from);
    this.#from = until;
    return Buffer.concat(parts);
  }
}

/**
 * Makes maskers for these values. Every byte that belongs to an occurrence of a value, in any of its forms, is covered,
 * also where occurrences overlap; a covered stretch comes out as one `[masked]`. How the stream is cut into chunks makes
 * no difference. Only what may still become a value is held back.
 */
export const createMaskers = (values: readonly string[]): (() => Masker) => {
  const plain = new Automaton(formsOf(values));
  const base64 = new Automaton(base64FormsOf(values));
  return () => new StreamMasker([new Search(plain, everyByte), new Search(base64, noLineEnd)]);
};
