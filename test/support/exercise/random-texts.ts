import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pieceLength, piecesOf } from '../leaks.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** What needs escaping in JSON, in URLs and in SQL, and characters of two and three bytes. */
const awkward = [...'"\\/\'%+ éü語'];

const pick = (from: ArrayLike<string>): string => from[randomInt(from.length)] ?? '';

/** What the service tells everybody: a piece of a text that is found there was not leaked. */
const document = readFileSync(new URL('../../../openapi.json', import.meta.url), 'utf8');
const inDocument = new Set(Array.from({ length: document.length }, (_, at) => document.slice(at, at + pieceLength)));

/** Texts of `make` until none of a text's pieces is told to everybody. */
const untold = (make: () => string): string => {
  for (;;) {
    const text = make();
    if (!piecesOf(text).some((piece) => inDocument.has(piece))) return text;
  }
};

/**
 * A text that could be anything: random throughout, so that each piece of it is its own, and awkward to write. A
 * character of four bytes is near its end, so that its first pieces are the same in characters and in UTF-16.
 */
export const anyText = (length = 24): string => untold(() => mixedText(length));

const mixedText = (length: number): string => {
  const mixed = Array.from({ length: length - 1 }, () => (randomInt(3) === 0 ? pick(awkward) : pick(letters)));
  // White space at the ends is refused in names, and lost in headers.
  mixed[0] = pick(letters);
  return [...mixed, '🔑', pick(letters)].join('');
};

/** A text for headers, names and queries: random visible ASCII without what any of them reads in a way of its own. */
export const plainText = (length = 24): string => untold(() => Array.from({ length }, () => pick(letters)).join(''));

export const randomKey = (bytes: number): string => randomBytes(bytes).toString('base64url');
