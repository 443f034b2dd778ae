import { KeyholdError } from '../core/errors.ts';
import { Redacted } from '../core/redacted.ts';

/** An external issuer of JWTs whose tokens are accepted. docs/operations.md describes the JSON form. */
export interface IssuerConfig {
  /** Compared with `iss` byte for byte. */
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  /** The only algorithms that a token of this issuer may name. */
  readonly algorithms: readonly string[];
  readonly usernameClaim: string;
  /** The claim that names the session; null if the issuer's `sid` means something else. */
  readonly sessionClaim: string | null;
  /** The UUID in `sub` becomes the id of a user that the issuer creates. At most one issuer may do so. */
  readonly suppliesIds: boolean;
  readonly mayCreateUsers: boolean;
}

export type IssuerKeys =
  | { readonly kind: 'hs256'; readonly secret: Redacted<Buffer> }
  | { readonly kind: 'jwks'; readonly url: string }
  | { readonly kind: 'discovery'; readonly url: string };

/** The asymmetric algorithms of RFC 7518 and RFC 8037 that we verify. A shared secret is for HS256 only. */
const asymmetric = ['EdDSA', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];

const knownFields = new Set([
  'issuer',
  'audience',
  'discovery',
  'jwks_url',
  'hs256_secret',
  'algorithms',
  'username_claim',
  'session_claim',
  'supplies_ids',
  'may_create_users',
]);

type Fields = Readonly<Record<string, unknown>>;

const refuse = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', `KEYHOLD_JWT_ISSUERS: ${detail}`, cause === undefined ? {} : { cause });

const text = (fields: Fields, name: string): string => {
  const value = fields[name];
  if (typeof value !== 'string' || value === '') throw refuse(`"${name}" must be a non-empty string.`);
  return value;
};

const flag = (fields: Fields, name: string): boolean => {
  const value = fields[name] ?? false;
  if (typeof value !== 'boolean') throw refuse(`"${name}" must be true or false.`);
  return value;
};

const httpUrl = (fields: Fields, name: string): string => {
  const value = text(fields, name);
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw refuse(`"${name}" must be an http(s) URL.`);
  return value;
};

/** The UTF-8 bytes of the secret, as other implementations use it. RFC 7518 section 3.2 requires at least 32. */
const hs256Secret = (fields: Fields): IssuerKeys => {
  const secret = Buffer.from(text(fields, 'hs256_secret'), 'utf8');
  if (secret.length < 32) throw refuse('"hs256_secret" must have at least 32 bytes.');
  return { kind: 'hs256', secret: new Redacted(secret) };
};

const readKeys = (fields: Fields): IssuerKeys => {
  const named = ['discovery', 'jwks_url', 'hs256_secret'].filter((name) => fields[name] !== undefined);
  if (named.length !== 1) throw refuse('each issuer needs exactly one of "discovery", "jwks_url" and "hs256_secret".');
  if (named[0] === 'hs256_secret') return hs256Secret(fields);
  if (named[0] === 'jwks_url') return { kind: 'jwks', url: httpUrl(fields, 'jwks_url') };
  return { kind: 'discovery', url: httpUrl(fields, 'discovery') };
};

const readAlgorithms = (fields: Fields, keys: IssuerKeys): readonly string[] => {
  const given = fields['algorithms'];
  if (keys.kind === 'hs256') {
    if (given !== undefined) throw refuse('"algorithms" is for published keys. A shared secret always means HS256.');
    return ['HS256'];
  }
  if (given === undefined) return asymmetric;
  if (!Array.isArray(given) || given.length === 0 || !given.every((name) => asymmetric.includes(name))) {
    throw refuse(`"algorithms" must list some of ${asymmetric.join(', ')}.`);
  }
  return given as string[];
};

const readIssuer = (value: unknown): IssuerConfig => {
  if (value === null || typeof value !== 'object') throw refuse('every item must be an object.');
  const fields = value as Fields;
  const unknown = Object.keys(fields).find((name) => !knownFields.has(name));
  if (unknown !== undefined) throw refuse(`"${unknown}" is not a field of an issuer.`);
  const keys = readKeys(fields);
  return {
    issuer: text(fields, 'issuer'),
    audience: text(fields, 'audience'),
    keys,
    algorithms: readAlgorithms(fields, keys),
    usernameClaim: fields['username_claim'] === undefined ? 'preferred_username' : text(fields, 'username_claim'),
    sessionClaim: readSessionClaim(fields),
    suppliesIds: flag(fields, 'supplies_ids'),
    mayCreateUsers: flag(fields, 'may_create_users'),
  };
};

const readSessionClaim = (fields: Fields): string | null => {
  if (fields['session_claim'] === undefined) return 'sid';
  return fields['session_claim'] === null ? null : text(fields, 'session_claim');
};

const parseJson = (source: string): unknown => {
  try {
    return JSON.parse(source);
  } catch (cause) {
    throw refuse('must be a JSON array.', cause);
  }
};

/** The configured issuers. Throws if two have the same name, if one has our own, or if two supply ids. */
export const parseIssuers = (source: string | undefined, ownIssuer: string): readonly IssuerConfig[] => {
  if (source === undefined) return [];
  const parsed = parseJson(source);
  if (!Array.isArray(parsed)) throw refuse('must be a JSON array.');
  const issuers = parsed.map(readIssuer);
  const names = [ownIssuer, ...issuers.map((issuer) => issuer.issuer)];
  if (new Set(names).size !== names.length) throw refuse('two issuers have the same name (our own is KEYHOLD_ISSUER).');
  if (issuers.filter((issuer) => issuer.suppliesIds).length > 1) throw refuse('at most one issuer may supply ids.');
  return issuers;
};
