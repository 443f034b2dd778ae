/** Where the service learns the time. Tests hand in another one; nothing else of the service is ever faked. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** For expiry, the later of the service's and the database's clock decides: a clock put back revives nothing. */
export const later = (a: Date, b: Date): Date => (a.getTime() >= b.getTime() ? a : b);
