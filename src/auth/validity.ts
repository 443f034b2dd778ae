import type { JwtPayload } from './jwt-form.ts';

/**
 * True while the token is valid (RFC 7519 section 4.1): before `exp`, without leeway, and with `nbf` and `iat` at most
 * `leewaySeconds` after `now`.
 */
export const isValidAt = ({ exp, nbf = 0, iat = 0 }: JwtPayload, now: Date, leewaySeconds: number): boolean => {
  const seconds = now.getTime() / 1000;
  return seconds < exp && Math.max(nbf, iat) <= seconds + leewaySeconds;
};

/** When the token stops being valid, to the millisecond. */
export const expiryOf = ({ exp }: JwtPayload): Date => new Date(exp * 1000);
