import { invalid, KeyholdError } from '../core/errors.ts';
import { repeatsName } from '../core/json.ts';

const maxDepth = 32;

const malformed = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', detail, cause === undefined ? {} : { cause });

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const decode = (bytes: Uint8Array): string => {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw malformed('The body is not valid UTF-8.', cause);
  }
};

/** A string, or one bracket. Once begun a match cannot fail, so that no text is read twice. JSON.parse refuses the rest. */
const stringOrBracket = /"[^"\\]*(?:\\[\s\S]?[^"\\]*)*"?|[[\]{}]/g;
const stepOf: Readonly<Record<string, number>> = { '[': 1, '{': 1, ']': -1, '}': -1 };

/** Counts the brackets outside of strings, before anything recursive reads the text. */
const refuseDepth = (text: string): void => {
  let depth = 0;
  for (const [token] of text.matchAll(stringOrBracket)) {
    depth += stepOf[token] ?? 0;
    if (depth > maxDepth) throw malformed(`The body is nested deeper than ${maxDepth} levels.`);
  }
};

/** The digits without the zeros at their end. A pattern would start again at each run of zeros in between. */
const withoutEndZeros = (digits: string): string => {
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
};

/** Sign, significant digits and exponent, which are the same for two spellings of one decimal number. */
const decimal = (source: string): string => {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = withoutEndZeros(digits);
  if (significant === '') return `${sign}0`;
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
};

/** Refuses a number that JavaScript would round. */
const refuseRounding = (value: number, source: string | undefined): void => {
  if (!Number.isFinite(value) || (source !== undefined && decimal(source) !== decimal(String(value)))) {
    throw malformed('A number in the body cannot be kept exactly. Send it as a string.');
  }
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text, (key, value: unknown, context?: { source?: string }) => {
      if (key === '__proto__') throw malformed('A member of the body must not be named __proto__.');
      if (typeof value === 'number') refuseRounding(value, context?.source);
      return value;
    });
  } catch (cause) {
    if (cause instanceof KeyholdError) throw cause;
    throw malformed('The body is not valid JSON.', cause);
  }
};

/** A secret's value can be any content. In every other text NUL is an accident or an attack. */
const valueMayHoldNul = (path: readonly string[]): boolean => path.length === 1 && path[0] === 'value';

/** Names of fields may be shown. Any other name is content that the client sent. */
const shownName = (part: string): string => (/^([a-z_]{1,32}|\d{1,6})$/.test(part) ? part : '(unnamed)');

const refuseText = (text: string, path: readonly string[]): void => {
  const field = path.slice(0, 4).map(shownName).join('/');
  if (!text.isWellFormed()) throw invalid(field, 'contains an unpaired surrogate, which UTF-8 cannot encode.');
  if (text.includes('\0') && !valueMayHoldNul(path)) throw invalid(field, 'must not have a NUL character.');
};

const refuseTexts = (value: unknown, path: readonly string[]): void => {
  if (typeof value === 'string') refuseText(value, path);
  if (value === null || typeof value !== 'object') return;
  for (const [key, item] of Object.entries(value)) {
    // A name that is refused is content, so that the object it belongs to is named.
    refuseText(key, path.length === 0 ? ['name'] : path);
    refuseTexts(item, [...path, key]);
  }
};

/** As `readJsonBody`, for text that is decoded already. */
export const readJsonText = (text: string): unknown => {
  refuseDepth(text);
  const body = parse(text);
  if (repeatsName(text)) throw malformed('A member of the body is named twice. Send each name once.');
  refuseTexts(body, []);
  return body;
};

/**
 * Reads strict JSON (RFC 8259): valid UTF-8, at most 32 levels, no member twice, numbers that are kept exactly, well-formed
 * strings without NUL (except in values). Throws `invalid_request`; nothing is replaced or repaired.
 */
export const readJsonBody = (bytes: Uint8Array): unknown => readJsonText(decode(bytes));
