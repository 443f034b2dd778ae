import { base64FormsOf, formsOf } from './forms.ts';
import { Needles } from './needles.ts';

/** Replaces a value in the output. */
const maskText = '[masked]';

/** Masks values in one stream of bytes. Each stream needs its own masker. */
export interface Masker {
  /** The masked output that is certain after this chunk; the rest is held back until more has come. */
  push(chunk: Uint8Array): Buffer;
  /** The masked output of what was held back, at the end of the stream. */
  end(): Buffer;
}

/** Some bytes by their positions in the stream. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** A search for values in one stream. */
interface Search {
  /** Reads the next bytes, and calls `found` for every value. Returns the position from which on a value may be incomplete. */
  read(chunk: Uint8Array, found: (span: Span) => void): number;
}

const mask = Buffer.from(maskText);
const nothing = Buffer.alloc(0);

/** Fewer base64 characters than this reveal at most two bytes of a value. */
const minHeldAcrossLines = 4;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Searches a stream as it is. */
class PlainSearch implements Search {
  readonly #needles: Needles;
  /** The bytes in which a value may have begun, and the position of the first of them. */
  #kept: Uint8Array = nothing;
  #from = 0;

  constructor(needles: Needles) {
    this.#needles = needles;
  }

  read(chunk: Uint8Array, found: (span: Span) => void): number {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    const from = this.#from;
    const open = this.#needles.find(bytes, bytes.length, (start, end) =>
      found({ start: from + start, end: from + end }),
    );
    this.#kept = Uint8Array.from(bytes.subarray(open));
    this.#from += open;
    return this.#from;
  }
}

/** A stretch of bytes without a line break: where it begins among those that are searched, and in the stream. */
interface Line {
  readonly at: number;
  readonly position: number;
}

const isBreak = (byte: number | undefined): boolean => byte === lineFeed || byte === carriageReturn;

/** The next line break, or the end. */
const breakAfter = (chunk: Buffer, from: number, hasReturns: boolean): number => {
  if (!hasReturns) {
    const feed = chunk.indexOf(lineFeed, from);
    return feed === -1 ? chunk.length : feed;
  }
  let at = from;
  while (at < chunk.length && !isBreak(chunk[at])) at += 1;
  return at;
};

/**
 * Searches a stream without its line breaks, which are not part of base64 and may stand anywhere in it (RFC 2045, 6.8). A
 * blank line ends what was encoded, so that no more than a few line breaks are held back.
 */
class UnbrokenSearch implements Search {
  readonly #needles: Needles;
  /** The bytes in which a value may have begun, without line breaks, and the lines that they come from. */
  #kept: Buffer = nothing;
  #lines: Line[] = [];
  #end = 0;
  /** True where a line has begun and has no bytes yet. */
  #isBlank = false;

  constructor(needles: Needles) {
    this.#needles = needles;
  }

  read(chunk: Uint8Array, found: (span: Span) => void): number {
    const bytes = Buffer.allocUnsafe(this.#kept.length + chunk.length);
    this.#kept.copy(bytes);
    const length = this.#append(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length), bytes, this.#kept.length);
    const open = this.#needles.find(bytes, length, (start, end) =>
      found({ start: this.#startOf(start, length), end: this.#positionOf(end - 1) + 1 }),
    );
    const certain = open === length ? this.#end : this.#startOf(open, length);
    this.#kept = Buffer.from(bytes.subarray(open, length));
    const first = this.#lines[this.#lineOf(open)];
    const from = first === undefined ? [] : [{ at: 0, position: first.position + Math.max(0, open - first.at) }];
    const later = this.#lines.filter((line) => line.at > open);
    this.#lines = [...from, ...later.map(({ at, position }) => ({ at: at - open, position }))];
    return certain;
  }

  /** Appends the chunk without its line breaks. Returns how many bytes there are then. */
  #append(chunk: Buffer, bytes: Buffer, already: number): number {
    const hasReturns = chunk.includes(carriageReturn);
    let length = already;
    for (let from = 0; from < chunk.length; ) {
      const end = breakAfter(chunk, from, hasReturns);
      if (length === 0) this.#lines = [{ at: 0, position: this.#end + from }];
      chunk.copy(bytes, length, from, end);
      length += end - from;
      if (end > from) this.#isBlank = false;
      if (this.#isBlank && chunk[end] === lineFeed) {
        // It stays as a byte that no value has in base64.
        bytes[length] = lineFeed;
        length += 1;
      }
      if (end < chunk.length) this.#break(length, this.#end + end + 1);
      if (chunk[end] === lineFeed) this.#isBlank = true;
      from = end + 1;
    }
    this.#end += chunk.length;
    return length;
  }

  #break(at: number, position: number): void {
    if (this.#lines.at(-1)?.at === at) this.#lines.pop();
    this.#lines.push({ at, position });
  }

  /** The index of the line that has this byte. */
  #lineOf(at: number): number {
    let [low, high] = [0, this.#lines.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lines[middle]?.at ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #positionOf(at: number): number {
    const line = this.#lines[this.#lineOf(at)];
    return line === undefined ? this.#end : line.position + at - line.at;
  }

  /**
   * The position from which on something is masked or held back that begins here. A few base64 characters at the end of a
   * line are passed on: holding every such line back would hinder more than they could reveal.
   */
  #startOf(start: number, length: number): number {
    const last = Math.min(start + minHeldAcrossLines - 1, length);
    const after = this.#lineOf(last);
    return after > this.#lineOf(start) ? (this.#lines[after]?.position ?? this.#end) : this.#positionOf(start);
  }
}

class StreamMasker implements Masker {
  readonly #searches: readonly Search[];
  /** Bytes that may belong to a value that is not complete yet, and their position in the stream. */
  #pending: Buffer = nothing;
  #from = 0;
  /** Values that end after `#from`. They may overlap. */
  #spans: Span[] = [];
  /** True if the mask was written last, so that a value that continues is not masked twice. */
  #masking = false;

  constructor(searches: readonly Search[]) {
    this.#searches = searches;
  }

  push(chunk: Uint8Array): Buffer {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const certain = this.#searches.map((search) => search.read(chunk, (span) => this.#spans.push(span)));
    return this.#flush(Math.min(...certain));
  }

  end(): Buffer {
    return this.#flush(this.#from + this.#pending.length);
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
    this.#spans.sort((a, b) => a.start - b.start);
    for (const span of this.#spans) {
      if (span.start >= until) break;
      copy(span.start);
      if (!this.#masking) parts.push(mask);
      this.#masking = true;
      at = Math.max(at, Math.min(span.end, until));
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
  const plain = new Needles(formsOf(values));
  const base64 = new Needles(base64FormsOf(values));
  return () => new StreamMasker([new PlainSearch(plain), new UnbrokenSearch(base64)]);
};
