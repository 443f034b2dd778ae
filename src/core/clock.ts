import { KeyholdError } from './errors.ts';

/** Where the service learns the time. Tests pass in another one; nothing else of the service is ever faked. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/**
 * The later of the service's and the database's clock, which decides about expiry: setting one of them back extends nothing.
 * Throws `unavailable` when either is not a time.
 */
export const later = (a: Date, b: Date): Date => {
  if (Number.isNaN(a.getTime()) || Number.isNaN(b.getTime())) {
    throw new KeyholdError('unavailable', 'The database gave no valid time. Nothing was done; try again shortly.');
  }
  return a.getTime() >= b.getTime() ? a : b;
};
