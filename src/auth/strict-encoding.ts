import { type JsonObject, repeatsName } from '../core/json.ts';

/**
 * The bytes of canonical unpadded base64url (RFC 7515 section 2), or null: no padding, white space, other
 * alphabet, non-zero trailing bits or empty text. Decoders commonly overlook these, which would give one
 * token many spellings.
 */
export const fromCanonicalBase64url = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : null;
};

/**
 * The JSON object (RFC 8259) written in `bytes`, or null: for invalid UTF-8, a byte order mark, anything but an
 * object, or a member name that one object bears twice, since parsers differ in which of the two they believe.
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

/** True for what JSON calls an object. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** True for a non-empty string that PostgreSQL stores as it is: no NUL, no lone surrogate. */
export const isPlainText = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  value.length <= maxLength &&
  value.isWellFormed() &&
  !value.includes('\0');
