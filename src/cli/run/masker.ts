import { Automaton } from './automaton.ts';
import { base64FormsOf, formsOf } from './forms.ts';

/** Replaces a value in the output. */
const maskText = '[masked]';

/** Masks values in one stream of bytes. Each stream needs its own masker. */
export interface Masker {
  /** The masked output that is certain after this chunk; the rest is held back until more has come. */
  push(chunk: Uint8Array): Buffer;
  /** The masked output of what was held back, at the end of the stream. */
  end(): Buffer;
}

interface Span {
  start: number;
  end: number;
}

const mask = Buffer.from(maskText);
const nothing = Buffer.alloc(0);

/** Fewer base64 characters than this reveal at most two bytes of a value. */
const minHeldAcrossLines = 4;

/** Finds the needles of one automaton in a stream, of which it skips some bytes. */
class Search {
  readonly #automaton: Automaton;
  readonly #includes: (byte: number) => boolean;
  #state = 0;
  /** The stream positions of the last included bytes, as many as the longest needle has. A ring buffer. */
  readonly #positions: Float64Array;
  #count = 0;
  /** Nothing before this position is masked or held back any more. */
  #floor = 0;

  constructor(automaton: Automaton, includes: (byte: number) => boolean) {
    this.#automaton = automaton;
    this.#includes = includes;
    this.#positions = new Float64Array(automaton.maxLength + 1);
  }

  /** Reads the byte at this position. Returns the start of the longest needle that ends with it, or -1. */
  read(byte: number, position: number): number {
    if (!this.#includes(byte)) {
      // A few base64 characters at the end of a line are passed on. Holding every such line back would hinder more than
      // they could reveal.
      if (this.#automaton.depth(this.#state) < minHeldAcrossLines) this.#floor = position + 1;
      return -1;
    }
    this.#positions[this.#count % this.#positions.length] = position;
    this.#count += 1;
    this.#state = this.#automaton.next(this.#state, byte);
    const length = this.#automaton.found(this.#state);
    return length === 0 ? -1 : Math.max(this.#floor, this.#positionBefore(length));
  }

  /** The start of what may still become a needle; `otherwise` where nothing may. */
  pending(otherwise: number): number {
    const depth = this.#automaton.depth(this.#state);
    return depth === 0 ? otherwise : Math.max(this.#floor, this.#positionBefore(depth));
  }

  reset(): void {
    this.#state = 0;
  }

  #positionBefore(count: number): number {
    return this.#positions[(this.#count - count) % this.#positions.length] ?? 0;
  }
}

const everyByte = (): boolean => true;
/** Line breaks are not part of base64 and may stand anywhere in it (RFC 2045, section 6.8). */
const isNotNewline = (byte: number): boolean => byte !== 0x0a && byte !== 0x0d;

class StreamMasker implements Masker {
  readonly #searches: readonly Search[];
  /** Bytes that may belong to a value that is not complete yet, and their position in the stream. */
  #pending: Buffer = nothing;
  #from = 0;
  /** Spans of values at or after `#from`, disjoint and in order. */
  #spans: Span[] = [];
  /** True if the mask was written last, so that a value that continues is not masked twice. */
  #masking = false;

  constructor(searches: readonly Search[]) {
    this.#searches = searches;
  }

  push(chunk: Uint8Array): Buffer {
    const start = this.#from + this.#pending.length;
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    for (let index = 0; index < chunk.length; index += 1) {
      for (const search of this.#searches) {
        const begin = search.read(chunk[index] ?? 0, start + index);
        if (begin >= 0) this.#cover(begin, start + index + 1);
      }
    }
    const end = start + chunk.length;
    return this.#flush(Math.min(...this.#searches.map((search) => search.pending(end))));
  }

  end(): Buffer {
    for (const search of this.#searches) search.reset();
    return this.#flush(this.#from + this.#pending.length);
  }

  #cover(from: number, end: number): void {
    let start = from;
    for (let last = this.#spans.at(-1); last && last.end >= start; last = this.#spans.at(-1)) {
      start = Math.min(start, last.start);
      this.#spans.pop();
    }
    this.#spans.push({ start, end });
  }

  /** The output before `until`, with the mask in place of values. */
  #flush(until: number): Buffer {
    const parts: Buffer[] = [];
    let at = this.#from;
    const copy = (to: number): void => {
      if (to <= at) return;
      parts.push(this.#pending.subarray(at - this.#from, to - this.#from));
      this.#masking = false;
      at = to;
    };
    for (const span of this.#spans) {
      if (span.start >= until) break;
      copy(span.start);
      if (!this.#masking) parts.push(mask);
      this.#masking = true;
      at = Math.min(span.end, until);
    }
    copy(until);
    this.#spans = this.#spans.filter((span) => span.end > until);
    this.#pending = this.#pending.subarray(until - this.#from);
    this.#from = until;
    return Buffer.concat(parts);
  }
}

/**
 * Creates maskers for these values. Every byte of an occurrence of a value, in any of its forms, is masked, even where
 * occurrences overlap; each masked span becomes one `[masked]`. How the stream is split into chunks makes no
 * difference. Only bytes that may still become a value are held back.
 */
export const createMaskers = (values: readonly string[]): (() => Masker) => {
  const plain = new Automaton(formsOf(values));
  const base64 = new Automaton(base64FormsOf(values));
  return () => new StreamMasker([new Search(plain, everyByte), new Search(base64, isNotNewline)]);
};
