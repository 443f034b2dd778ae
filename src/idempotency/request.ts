import { invalid } from '../core/errors.ts';

/** A creation that its client may send twice: the key it chose, the route it went to, and the body as parsed. */
export interface IdempotentRequest {
  readonly key: string;
  readonly route: string;
  readonly body: unknown;
}

const maxRouteLength = 256;

/**
 * The request of a creation under the key that its client chose; null without a key. `route` names the operation and what
 * it acts on. Throws `invalid_request` for a key of another form.
 */
export const idempotentRequest = (key: string | undefined, route: string, body: unknown): IdempotentRequest | null => {
  if (key === undefined) return null;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw invalid('Idempotency-Key', 'must have 1 to 255 visible ASCII characters.');
  }
  return { key, route: route.slice(0, maxRouteLength), body };
};
