import type { JsonObject } from '../core/json.ts';
import { fromCanonicalBase64url, isPlainText, readJsonObject } from './strict-encoding.ts';

/** The header of a token in an acceptable form. Nothing in it is verified. */
export type JwtHeader = JsonObject & {
  readonly alg: string;
  readonly kid?: string;
  readonly typ?: string;
};

/** The claims of a token in an acceptable form, times in seconds since 1970. Nothing in them is verified. */
export type JwtPayload = JsonObject & {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly nbf?: number;
  readonly iat?: number;
};

export interface JwtForm {
  readonly header: JwtHeader;
  readonly payload: JwtPayload;
}

const maxTokenLength = 8192;
const maxNameLength = 255;
/** The end of the year 9999, the last one that RFC 3339 can write. */
const lastSecond = 253_402_300_799;
/** Headers that bring a key, point at one, or change how the token is read. No token needs them here. */
const refusedHeaders = ['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64'];
const acceptedTypes = ['jwt', 'at+jwt'];

/**
 * The header and claims of a compact JWS (RFC 7515, RFC 7519) in the one form that is accepted, or null. Verifies nothing: the
 * caller checks issuer, algorithm, audience, times and signature, and treats null like an invalid signature. Pure.
 */
export const readJwtForm = (token: string): JwtForm | null => {
  if (token.length > maxTokenLength) return null;
  const parts = token.split('.');
  if (parts.length !== 3) return null;
  const [header, payload, signature] = parts.map(fromCanonicalBase64url);
  if (!header || !payload || !signature) return null;
  return checkedForm(readJsonObject(header), readJsonObject(payload));
};

const checkedForm = (header: JsonObject | null, payload: JsonObject | null): JwtForm | null =>
  header && payload && isHeader(header) && isPayload(payload) ? { header, payload } : null;

const isHeader = (header: JsonObject): header is JwtHeader =>
  isPlainText(header['alg'], maxNameLength) &&
  (header['kid'] === undefined || isPlainText(header['kid'], maxNameLength)) &&
  isAcceptedType(header['typ']) &&
  !refusedHeaders.some((name) => Object.hasOwn(header, name));

/** Media types are compared case-insensitively (RFC 7515 section 4.1.9). */
const isAcceptedType = (typ: unknown): boolean =>
  typ === undefined || (typeof typ === 'string' && acceptedTypes.includes(typ.toLowerCase()));

const isPayload = (payload: JsonObject): payload is JwtPayload =>
  isPlainText(payload['iss'], maxTokenLength) &&
  isPlainText(payload['sub'], maxNameLength) &&
  isAudience(payload['aud']) &&
  isTime(payload['exp']) &&
  (payload['nbf'] === undefined || isTime(payload['nbf'])) &&
  (payload['iat'] === undefined || isTime(payload['iat']));

const isAudience = (aud: unknown): boolean =>
  typeof aud === 'string' || (Array.isArray(aud) && aud.every((item) => typeof item === 'string'));

const isTime = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= lastSecond;
