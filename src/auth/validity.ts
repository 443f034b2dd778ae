import type { JwtPayload } from './jwt-form.ts';

/**
 * True while the token is valid at `now` (RFC 7519 section 4.1): never at or after `exp`; `nbf` and `iat` may lie
 * ahead of our clock by `leewaySeconds`.
 */
export const isValidAt = ({ exp, nbf = 0, iat = 0 }: JwtPayload, now: Date, leewaySeconds: number): boolean => {
  const seconds = now.getTime() / 1000;
  return seconds < exp && Math.max(nbf, iat) <= seconds + leewaySeconds;
};

/** When the token stops being valid, to the millisecond. */
export const expiryOf = ({ exp }: JwtPayload): Date => new Date(exp * 1000);
