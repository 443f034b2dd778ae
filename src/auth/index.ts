export { type AccessTokens, createAccessTokens } from './access-tokens.ts';
export { createAuthenticate, type Presented } from './authenticate.ts';
export { createExternalTokens } from './external/tokens.ts';
export { createExternalUsers } from './external/users.ts';
export { createLogins, type Logins } from './logins.ts';
export { createRefreshTokens } from './refresh-token.ts';
export { createTokens, type Tokens } from './tokens.ts';
