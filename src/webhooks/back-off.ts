const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** How long a delivery waits after each attempt that failed. After the last one it is dead. */
const delaysMs = [
  ...[5 * second, 30 * second, 2 * minute, 10 * minute],
  ...[hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 24 * hour],
];

/** A delay becomes up to this share longer, so that deliveries that failed together are not tried together again. */
const jitter = 0.25;
const maxRetryAfterMs = 24 * hour;

/**
 * How long to wait after `attempts` of them failed; null where no other is made. A receiver can ask for a longer wait, which is
 * granted up to a day. `random` is a number from 0 to 1.
 */
export const delayAfter = (attempts: number, retryAfterMs: number | null, random: number): number | null => {
  const delay = delaysMs[attempts - 1];
  if (delay === undefined) return null;
  return Math.max(Math.round(delay * (1 + jitter * random)), Math.min(retryAfterMs ?? 0, maxRetryAfterMs));
};

/** What a Retry-After header asks for (RFC 9110 section 10.2.3): seconds or a date; null for anything else. */
export const readRetryAfter = (header: string | undefined, now: Date): number | null => {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header) * second;
  const date = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(date - now.getTime(), 0);
};
