import type { Logins, Tokens } from '../../auth/index.ts';
import { type LoginId, type TokenId, toId, type UserId } from '../../core/ids.ts';
import type { Users } from '../../users/index.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/auth.ts';

interface Services {
  readonly logins: Logins;
  readonly tokens: Tokens;
  readonly users: Users;
}

const tag = 'Login and tokens';
const login = { login: true } as const;

const addLoggingIn = ({ open, gated }: Routes, { logins, tokens, users }: Services): void => {
  open({
    method: 'POST',
    url: '/auth/login',
    operationId: 'logIn',
    tag,
    summary: 'Log in with username and password',
    description: 'The access token is valid for some minutes; the refresh token renews it.',
    body: schema.LoginBody,
    status: 200,
    answer: schema.TokenPair,
    refuses: [401],
    confidential: true,
    handler: ({ origin, body }) => logins.login(origin, body.username, body.password),
  });
  open({
    method: 'POST',
    url: '/auth/refresh',
    operationId: 'refreshTokens',
    tag,
    summary: 'Exchange a refresh token for a new pair of tokens',
    description: 'Each refresh token can be used once. Using it again ends the login.',
    body: schema.RefreshBody,
    status: 200,
    answer: schema.TokenPair,
    refuses: [401],
    confidential: true,
    handler: ({ origin, body }) => logins.refresh(origin, body.refresh_token),
  });
  gated({
    method: 'POST',
    url: '/auth/logout',
    operationId: 'logOut',
    tag,
    summary: 'End the login, or revoke the token, that sends the request',
    description: 'Its tokens stop working with the next request.',
    requires: 'authenticated',
    status: 204,
    answer: null,
    refuses: [404],
    handler: (caller) =>
      caller.credential.kind === 'token' ? tokens.revoke(caller, caller.credential.id) : logins.logout(caller),
  });
  gated({
    method: 'GET',
    url: '/auth/me',
    operationId: 'getMe',
    tag,
    summary: 'The caller: user, agent, session and permissions',
    description: 'Permissions are those that the credential gives now, after any change of the user’s role.',
    requires: 'authenticated',
    status: 200,
    answer: schema.Me,
    refuses: [404],
    handler: async (caller) => {
      const user = await users.get(caller, caller.userId as UserId);
      const until = caller.waiting && 'secrets_from' in user ? user.secrets_from : null;
      return {
        user,
        agent: caller.agent,
        session_id: caller.session,
        permissions: [...caller.permissions],
        waiting_until: until,
      };
    },
  });
};

const addLogins = ({ gated }: Routes, { logins }: Services): void => {
  gated({
    method: 'GET',
    url: '/auth/logins',
    operationId: 'listLogins',
    tag,
    summary: 'The caller’s own logins',
    description: 'When and from where each login was made, and when it was last used.',
    requires: login,
    status: 200,
    answer: schema.LoginList,
    handler: async (caller) => ({ logins: await logins.list(caller), next_cursor: null }),
  });
  gated({
    method: 'DELETE',
    url: '/auth/logins/:id',
    operationId: 'endLogin',
    tag,
    summary: 'End one of the caller’s own logins',
    description: 'Its access and refresh tokens stop working with the next request.',
    requires: login,
    params: schema.AuthId,
    status: 204,
    answer: null,
    refuses: [404],
    handler: (caller, { params }) => logins.end(caller, toId<LoginId>(params.id)),
  });
};

const addTokens = ({ gated }: Routes, { tokens }: Services): void => {
  gated({
    method: 'POST',
    url: '/auth/tokens',
    operationId: 'createToken',
    tag,
    summary: 'Create a personal or agent token',
    description: 'The answer shows the token this once. A repeated request is answered without it.',
    requires: login,
    body: schema.CreateTokenBody,
    status: 201,
    answer: schema.CreatedToken,
    idempotent: true,
    confidential: true,
    handler: (caller, { body, idempotent }) => tokens.create(caller, body, idempotent),
  });
  gated({
    method: 'GET',
    url: '/auth/tokens',
    operationId: 'listTokens',
    tag,
    summary: 'The caller’s own tokens that are not revoked',
    description: 'Newest first, without the tokens themselves.',
    requires: login,
    status: 200,
    answer: schema.TokenList,
    handler: async (caller) => ({ tokens: await tokens.list(caller), next_cursor: null }),
  });
  gated({
    method: 'DELETE',
    url: '/auth/tokens/:id',
    operationId: 'revokeToken',
    tag,
    summary: 'Revoke one of the caller’s own tokens',
    description: 'It stops working with the next request.',
    requires: login,
    params: schema.AuthId,
    status: 204,
    answer: null,
    refuses: [404],
    handler: (caller, { params }) => tokens.revoke(caller, toId<TokenId>(params.id)),
  });
};

export const authRoutes = (routes: Routes, services: Services): void => {
  addLoggingIn(routes, services);
  addLogins(routes, services);
  addTokens(routes, services);
};
