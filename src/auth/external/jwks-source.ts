import type { Clock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { PublishedKey } from './published-key.ts';

type Keys = readonly PublishedKey[];

interface Deps {
  /** Gets the keys that are published now; throws when that fails. */
  readonly fetchKeys: () => Promise<Keys>;
  readonly clock: Clock;
}

const maxAgeMilliseconds = 5 * 60 * 1000;
/** Whoever sends tokens with invented key ids makes us ask the issuer this often and no oftener. */
const pauseMilliseconds = 10_000;
const pauseAfterFailureMilliseconds = 2000;

/**
 * One issuer's keys, remembered for at most 5 minutes from before they were asked for. Older keys are never
 * used: while the issuer cannot be reached, both calls throw `unavailable` with the seconds to wait.
 */
export const createJwksSource = ({ fetchKeys, clock }: Deps) => {
  let known: { keys: Keys; at: number } | null = null;
  let renewedAt: number | null = null;
  let failedAt: number | null = null;
  let underWay: Promise<Keys> | null = null;

  const isWithin = (at: number | null, milliseconds: number): boolean => {
    if (at === null) return false;
    const age = clock.now().getTime() - at;
    // A time ahead of us means that the clock was put back: nothing is known about the age then.
    return age >= 0 && age < milliseconds;
  };

  const load = async (): Promise<Keys> => {
    const at = clock.now().getTime();
    try {
      known = { keys: await fetchKeys(), at };
      failedAt = null;
      return known.keys;
    } catch (cause) {
      failedAt = clock.now().getTime();
      throw unavailable(cause);
    } finally {
      underWay = null;
    }
  };

  const fetchNow = (): Promise<Keys> => {
    if (underWay !== null) return underWay;
    if (isWithin(failedAt, pauseAfterFailureMilliseconds)) throw unavailable();
    underWay = load();
    return underWay;
  };

  /** The keys as they were published at most 5 minutes ago. */
  const current = async (): Promise<Keys> =>
    known && isWithin(known.at, maxAgeMilliseconds) ? known.keys : fetchNow();

  /** The keys as they are published now, or were at the last such call if it was less than 10 seconds ago. */
  const renewed = async (): Promise<Keys> => {
    if (isWithin(renewedAt, pauseMilliseconds)) return current();
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
    'The keys of the issuer of this access token cannot be fetched now. Try again shortly.',
    {
      retryAfterSeconds: pauseAfterFailureMilliseconds / 1000,
      cause,
    },
  );
