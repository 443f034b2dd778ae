import type { Readable } from 'node:stream';
import { atItem, invalid, KeyholdError } from '../core/errors.ts';
import { readJsonText } from './json-body.ts';

const megabyte = 1024 * 1024;

/** The largest import, in bytes. */
export const maxImportBytes = 64 * megabyte;
/** The largest item: a value of 64 KiB with every character escaped, and its metadata. */
const maxItemBytes = megabyte / 2;
const maxRestBytes = 4096;
const maxItems = 100_000;

const tooLarge = (detail: string): KeyholdError => new KeyholdError('payload_too_large', detail);
const malformed = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', detail, cause === undefined ? {} : { cause });

/** Follows a JSON text character by character, and knows whether it is inside a string and how deep it is nested. */
class JsonPlace {
  depth = 0;
  #inString = false;
  #escaped = false;

  /** Takes the next character. True for one that gives the text its structure. */
  isStructure(mark: string): boolean {
    if (this.#inString) {
      this.#withinString(mark);
      return false;
    }
    if (mark === '"') this.#inString = true;
    return mark === '[' || mark === ']' || mark === '{' || mark === '}' || mark === ',';
  }

  #withinString(mark: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (mark === '\\') this.#escaped = true;
    else if (mark === '"') this.#inString = false;
  }
}

/**
 * Cuts a JSON document, as it arrives, into the items of its top-level array `items` and the rest without them. It looks at
 * structure only; the strict JSON reader checks the texts that it cuts.
 */
export class ItemCutter {
  readonly #onItem: (text: string) => void;
  readonly #place = new JsonPlace();
  #inItems = false;
  #found = false;
  #item = '';
  #rest = '';
  #count = 0;

  constructor(onItem: (text: string) => void) {
    this.#onItem = onItem;
  }

  /** Takes the next piece of the document. Throws `payload_too_large` or `invalid_request` as early as possible. */
  push(text: string): void {
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const mark = text[at] ?? '';
      if (!this.#place.isStructure(mark)) continue;
      this.#keep(text.slice(from, at));
      from = at;
      if (this.#inItems ? this.#inside(mark) : this.#outside(mark)) from = at + 1;
    }
    this.#keep(text.slice(from));
  }

  /** The document without its items: its `items` are an empty array. */
  end(): string {
    if (this.#inItems) throw malformed('The body is not valid JSON.');
    return this.#rest;
  }

  /** True where the mark is used up here and belongs to no text. */
  #outside(mark: string): boolean {
    if (mark === '[' && this.#place.depth === 1 && /"items"\s*:\s*$/.test(this.#rest)) {
      if (this.#found) throw malformed('The member items is named twice. Send it once.');
      this.#found = true;
      this.#rest += '[';
      this.#inItems = true;
      this.#place.depth = 2;
      return true;
    }
    this.#step(mark);
    return false;
  }

  #inside(mark: string): boolean {
    const ends = this.#place.depth === 2 && (mark === ',' || mark === ']');
    if (!ends) {
      this.#step(mark);
      return false;
    }
    this.#cut(mark === ']');
    if (mark === ',') return true;
    this.#inItems = false;
    this.#place.depth = 1;
    return false;
  }

  #step(mark: string): void {
    if (mark === '[' || mark === '{') this.#place.depth += 1;
    if (mark === ']' || mark === '}') this.#place.depth -= 1;
  }

  #cut(last: boolean): void {
    const text = this.#item;
    this.#item = '';
    if (last && this.#count === 0 && text.trim() === '') return;
    this.#count += 1;
    if (this.#count > maxItems) throw tooLarge(`An import holds at most ${maxItems} items.`);
    this.#onItem(text);
  }

  #keep(text: string): void {
    if (this.#inItems) this.#item += text;
    else this.#rest += text;
    if (this.#item.length > maxItemBytes) throw tooLarge('An item of the import is larger than a secret can be.');
    if (this.#rest.length > maxRestBytes) throw malformed('An import may contain only items, on_conflict and dry_run.');
  }
}

const decodeWith = (decoder: TextDecoder, chunk: Uint8Array | undefined): string => {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw malformed('The body is not valid UTF-8.', cause);
  }
};

/**
 * Reads an import as it arrives. Each item is parsed and checked by `readItem` as soon as it is complete, so that the
 * document is never in memory as one text, and the first error ends the upload. Resolves to the document with its items
 * read.
 */
export const readImport = async <T>(
  body: Readable,
  readItem: (item: unknown) => T,
): Promise<Record<string, unknown>> => {
  const items: T[] = [];
  const cutter = new ItemCutter((text) => items.push(atItem(items.length, () => readItem(readJsonText(text)))));
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let size = 0;
  // A refusal must not destroy the stream, which would close the connection before the answer is sent.
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxImportBytes) throw tooLarge('An import can have at most 64 MiB.');
    cutter.push(decodeWith(decoder, chunk));
  }
  cutter.push(decodeWith(decoder, undefined));
  const rest = readJsonText(cutter.end());
  if (rest === null || typeof rest !== 'object' || Array.isArray(rest)) throw invalid('body', 'must be an object.');
  return { ...rest, items };
};
