import { type JsonObject, repeatsName } from '../core/json.ts';

/**
 * The bytes of canonical, unpadded base64url (RFC 7515 section 2), or null for text that is empty or has padding, white
 * space, another alphabet or non-zero trailing bits. Decoders commonly ignore these, so that one token could be written in
 * many ways.
 */
export const fromCanonicalBase64url = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : null;
};

/**
 * The JSON object (RFC 8259) in `bytes`, or null for invalid UTF-8, a byte order mark, any other value than an object, or an
 * object that has one name twice, since parsers differ in which of the two they take.
 */
export const readJsonObject = (bytes: Uint8Array): JsonObject | null => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return isObject(value) && !repeatsName(text) ? value : null;
  } catch {
    return null;
  }
};

/** True for a JSON object, which is no array. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** True for a non-empty string that PostgreSQL stores unchanged: no NUL, no lone surrogate. */
export const isPlainText = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  value.length <= maxLength &&
  value.isWellFormed() &&
  !value.includes('\0');
