import { KeyholdError } from '../core/errors.ts';

/** The one answer to every access token that does not hold, ours or an issuer's: it never says why. */
export const tokenRefused = (): KeyholdError =>
  new KeyholdError('unauthenticated', 'The access token is not valid. Log in again.');
