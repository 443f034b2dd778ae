// jose's createRemoteJWKSet is not used here, for three reasons. It reads the system's time, while the age of keys here
// follows the injected clock. It renews its keys only when none of them matches, while a token without kid may be signed with
// a new key although the old one matches. And its keys have no identity by which the cache of verified signatures can tell
// a key from the one that replaced it.

import type { Clock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { PublishedKey } from './published-key.ts';

type Keys = readonly PublishedKey[];

interface Deps {
  /** Fetches the keys that are published now; throws when that fails. */
  readonly fetchKeys: () => Promise<Keys>;
  readonly clock: Clock;
}

const maxAgeMs = 5 * 60 * 1000;
/** Tokens with made-up key ids make us ask the issuer at most this often. */
const minMsBetweenRenewals = 10_000;
const pauseAfterFailureMs = 2000;

/**
 * One issuer's keys, remembered for at most 5 minutes, counted from before they were fetched. Older keys are never used.
 * While the issuer cannot be reached, both functions throw `unavailable` with the seconds to wait.
 */
export const createJwksSource = ({ fetchKeys, clock }: Deps) => {
  let cached: { keys: Keys; at: number } | null = null;
  let renewedAt: number | null = null;
  let failedAt: number | null = null;
  let pending: Promise<Keys> | null = null;

  const isWithin = (at: number | null, ms: number): boolean => {
    if (at === null) return false;
    const age = clock.now().getTime() - at;
    // After the clock was set back, a time in the future says nothing about the age.
    return age >= 0 && age < ms;
  };

  const load = async (): Promise<Keys> => {
    const at = clock.now().getTime();
    try {
      cached = { keys: await fetchKeys(), at };
      failedAt = null;
      return cached.keys;
    } catch (cause) {
      failedAt = clock.now().getTime();
      throw unavailable(cause);
    } finally {
      pending = null;
    }
  };

  const fetchNow = (): Promise<Keys> => {
    if (pending !== null) return pending;
    if (isWithin(failedAt, pauseAfterFailureMs)) throw unavailable();
    pending = load();
    return pending;
  };

  /** The keys as they were published at most 5 minutes ago. */
  const current = async (): Promise<Keys> => (cached && isWithin(cached.at, maxAgeMs) ? cached.keys : fetchNow());

  /** The keys as they are published now, or were at the last such call if that was less than 10 seconds ago. */
  const renewed = async (): Promise<Keys> => {
    if (isWithin(renewedAt, minMsBetweenRenewals)) return current();
    const keys = await fetchNow();
    renewedAt = clock.now().getTime();
    return keys;
  };

  return { current, renewed };
};

export type JwksSource = ReturnType<typeof createJwksSource>;

const unavailable = (cause?: unknown): KeyholdError =>
  new KeyholdError(
    'unavailable',
    'The signing keys of this access token’s issuer cannot be fetched now. Try again shortly.',
    {
      retryAfterSeconds: pauseAfterFailureMs / 1000,
      cause,
    },
  );
