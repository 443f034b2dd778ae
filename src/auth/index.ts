export { type AccessTokens, createAccessTokens } from './access-tokens.ts';
export { createAuthenticate, type Presented } from './authenticate.ts';
export { createLogins, type Logins } from './logins.ts';
export { createOutsideTokens } from './outside.ts';
export { createOutsideUsers } from './outside-users.ts';
export { createRefreshTokens } from './refresh-token.ts';
export { createTokens, type Tokens } from './tokens.ts';
