import { Automaton } from './automaton.ts';
import { formsOf } from './forms.ts';

/** What stands in the output in place of values. */
export const maskText = '[masked]';

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

class StreamMasker implements Masker {
  readonly #automaton: Automaton;
  #state = 0;
  /** Bytes that may still turn out to belong to a value, and where in the stream they begin. */
  #held: Buffer = nothing;
  #from = 0;
  /** Stretches that values cover, apart from each other and in order, at or after `#from`. */
  #spans: Span[] = [];
  /** True when what was said last was the mask: a value that goes on is not masked twice. */
  #masking = false;

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
  }

  push(chunk: Uint8Array): Buffer {
    const start = this.#from + this.#held.length;
    this.#held = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    let state = this.#state;
    for (let index = 0; index < chunk.length; index += 1) {
      state = this.#automaton.next(state, chunk[index] ?? 0);
      const length = this.#automaton.found(state);
      if (length > 0) this.#cover(start + index + 1 - length, start + index + 1);
    }
    this.#state = state;
    return this.#say(start + chunk.length - this.#automaton.depth(state));
  }

  end(): Buffer {
    this.#state = 0;
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
  const automaton = new Automaton(formsOf(values));
  return () => new StreamMasker(automaton);
};
