import type { JWK } from 'jose';
import type { JsonObject } from '../../core/json.ts';
import { fromCanonicalBase64url, isObject, isPlainText } from '../strict-encoding.ts';
import { type IdentifiedKey, thumbprint } from '../verified-signatures.ts';

/** A public key from an issuer's JWK Set that may verify signatures. */
export interface PublishedKey extends IdentifiedKey {
  readonly kid: string | undefined;
  /** The algorithms that this key's type, curve and `alg` allow. */
  readonly algorithms: readonly string[];
}

interface Material {
  readonly members: JWK;
  readonly algorithms: readonly string[];
}

const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const minModulusBits = 2048;
/** A larger key would make verifying cost more than one request may. */
const maxModulusBits = 8192;
/** 65537 in the only encoding that RFC 7518 section 6.3.1.2 allows. */
const exponent65537 = 'AQAB';

const curves = new Map([
  ['P-256', { kty: 'EC', alg: 'ES256', coordinates: ['x', 'y'], bytes: 32 }],
  ['P-384', { kty: 'EC', alg: 'ES384', coordinates: ['x', 'y'], bytes: 48 }],
  ['P-521', { kty: 'EC', alg: 'ES512', coordinates: ['x', 'y'], bytes: 66 }],
  ['Ed25519', { kty: 'OKP', alg: 'EdDSA', coordinates: ['x'], bytes: 32 }],
]);

/**
 * The key in one item of a JWK Set (RFC 7517), or null for one that must not verify: one that is not for signatures, is
 * symmetric, private, empty or malformed, or is an RSA key of less than 2048 bits or with an exponent other than 65537.
 */
export const readPublishedKey = (item: unknown): PublishedKey | null => {
  if (!isObject(item) || !isForVerifying(item) || !isKeyId(item['kid'])) return null;
  const material = item['kty'] === 'RSA' ? rsaMaterial(item) : curveMaterial(item);
  const algorithms = material?.algorithms.filter((name) => item['alg'] === undefined || item['alg'] === name);
  if (!material || !algorithms?.length) return null;
  return { kid: item['kid'], algorithms, identity: thumbprint(material.members), key: material.members };
};

/**
 * The only key that a token with this header can have been signed with, or undefined. There is none either when several
 * fit, because the token has no `kid` or the set uses one `kid` twice: keys are never tried in turn.
 */
export const chooseKey = (
  keys: readonly PublishedKey[],
  { alg, kid }: { readonly alg: string; readonly kid?: string },
): PublishedKey | undefined => {
  const fitting = keys.filter((key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid));
  return fitting.length === 1 ? fitting[0] : undefined;
};

const isForVerifying = ({ use, key_ops, d }: JsonObject): boolean =>
  (use === undefined || use === 'sig') &&
  (key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes('verify'))) &&
  d === undefined;

const isKeyId = (kid: unknown): kid is string | undefined => kid === undefined || isPlainText(kid, 255);

const rsaMaterial = ({ n, e }: JsonObject): Material | null => {
  const modulus = typeof n === 'string' ? fromCanonicalBase64url(n) : null;
  if (typeof n !== 'string' || !modulus || e !== exponent65537) return null;
  const bits = bitLength(modulus);
  if (bits < minModulusBits || bits > maxModulusBits) return null;
  return { members: { e, kty: 'RSA', n }, algorithms: rsaAlgorithms };
};

const bitLength = (bytes: Buffer): number => BigInt(`0x${bytes.toString('hex')}`).toString(2).length;

const curveMaterial = (item: JsonObject): Material | null => {
  const { crv, kty } = item;
  const curve = typeof crv === 'string' ? curves.get(crv) : undefined;
  if (typeof crv !== 'string' || !curve || kty !== curve.kty) return null;
  if (!curve.coordinates.every((name) => isCoordinate(item[name], curve.bytes))) return null;
  const coordinates = Object.fromEntries(curve.coordinates.map((name) => [name, item[name]]));
  return { members: { crv, kty, ...coordinates }, algorithms: [curve.alg] };
};

const isCoordinate = (value: unknown, length: number): boolean =>
  typeof value === 'string' && fromCanonicalBase64url(value)?.length === length;
