export { type AccessTokens, createAccessTokens } from './access-tokens.ts';
export { type Authenticate, createAuthenticate, type Presented } from './authenticate.ts';
export { createLogins, type Granted, type Logins, type LoginView } from './logins.ts';
export { createOutsideTokens } from './outside.ts';
export { createOutsideUsers } from './outside-users.ts';
export { createRefreshTokens } from './refresh-token.ts';
export { createThrottle } from './throttle.ts';
export { type CreateToken, createTokens, type Tokens, type TokenView } from './tokens.ts';
