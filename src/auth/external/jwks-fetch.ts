import type { IssuerKeys } from '../../config/issuers.ts';
import type { JsonObject } from '../../core/json.ts';
import { readJsonObject } from '../strict-encoding.ts';
import { type PublishedKey, readPublishedKey } from './published-key.ts';

/** Where an issuer publishes its keys. */
export type KeyAddress = Exclude<IssuerKeys, { kind: 'hs256' }>;

const timeoutMs = 3000;
const maxBytes = 256 * 1024;
const maxKeys = 100;

/**
 * The usable keys that `issuer` publishes now, from its JWK Set (RFC 7517) or through its discovery document
 * (OpenID Connect Discovery 1.0 section 4, RFC 8414), within 3 s. Keys that must not verify are left out. Throws
 * when the answer is missing, redirected, too large, malformed or from another issuer; the caller answers 503.
 */
export const fetchKeys = async (issuer: string, address: KeyAddress): Promise<readonly PublishedKey[]> => {
  const signal = AbortSignal.timeout(timeoutMs);
  const url = address.kind === 'jwks' ? address.url : await discoverKeys(issuer, address.url, signal);
  const { keys } = await fetchJson(url, signal);
  if (!Array.isArray(keys) || keys.length > maxKeys) throw new Error('The JWK Set has no usable list of keys.');
  return keys.map(readPublishedKey).filter((key) => key !== null);
};

const discoverKeys = async (issuer: string, url: string, signal: AbortSignal): Promise<string> => {
  const { issuer: named, jwks_uri: jwksUri } = await fetchJson(url, signal);
  if (named !== issuer) throw new Error('The discovery document is of another issuer.');
  if (typeof jwksUri !== 'string' || !URL.canParse(jwksUri))
    throw new Error('The discovery document names no JWK Set.');
  const { protocol } = new URL(jwksUri);
  if (protocol !== 'https:' && protocol !== new URL(url).protocol)
    throw new Error('The JWK Set is not fetched by TLS.');
  return jwksUri;
};

const fetchJson = async (url: string, signal: AbortSignal): Promise<JsonObject> => {
  const response = await fetch(url, { redirect: 'error', signal, headers: { accept: 'application/json' } });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`The issuer answered with status ${response.status}.`);
  }
  const value = readJsonObject(await readBody(response));
  if (!value) throw new Error('The issuer did not answer with a JSON object.');
  return value;
};

/** Counts the bytes as they arrive, decompressed, since an announced length proves nothing. */
const readBody = async (response: Response): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new Error('The issuer answered with too much.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};
