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

const addLogins = ({ open, gated }: Routes, { logins, tokens, users }: Services): void => {
  open({
    method: 'POST',
    url: '/auth/login',
    tag,
    summary: 'Log in with username and password',
    gate: 'public',
    body: schema.LoginBody,
    status: 200,
    answer: schema.Granted,
    confidential: true,
    handler: ({ origin, body }) => logins.login(origin, body.username, body.password),
  });
  open({
    method: 'POST',
    url: '/auth/refresh',
    tag,
    summary: 'Trade a refresh token for a new pair',
    description: 'Each refresh token is good once. Using an old one again ends the login.',
    gate: 'public',
    body: schema.RefreshBody,
    status: 200,
    answer: schema.Granted,
    confidential: true,
    handler: ({ origin, body }) => logins.refresh(origin, body.refresh_token),
  });
  gated({
    method: 'POST',
    url: '/auth/logout',
    tag,
    summary: 'End the login, or revoke the token, that asks',
    gate: 'anybody',
    status: 204,
    answer: null,
    handler: (caller) =>
      caller.credential.kind === 'token' ? tokens.revoke(caller, caller.credential.id) : logins.logout(caller),
  });
  gated({
    method: 'GET',
    url: '/auth/logins',
    tag,
    summary: 'One’s own logins: when, from where, last used',
    gate: login,
    status: 200,
    answer: schema.LoginList,
    handler: async (caller) => ({ logins: await logins.list(caller), next_cursor: null }),
  });
  gated({
    method: 'DELETE',
    url: '/auth/logins/:id',
    tag,
    summary: 'End one of one’s own logins',
    gate: login,
    params: schema.AuthId,
    status: 204,
    answer: null,
    handler: (caller, { params }) => logins.end(caller, toId<LoginId>(params.id)),
  });
  gated({
    method: 'GET',
    url: '/auth/me',
    tag,
    summary: 'Who is asking: user, agent, session, permissions',
    gate: 'anybody',
    status: 200,
    answer: schema.Me,
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

const addTokens = ({ gated }: Routes, { tokens }: Services): void => {
  gated({
    method: 'POST',
    url: '/auth/tokens',
    tag,
    summary: 'Make a personal or agent token; shown this once',
    gate: login,
    body: schema.CreateTokenBody,
    status: 201,
    answer: schema.CreatedToken,
    confidential: true,
    handler: (caller, { body, idempotent }) => tokens.create(caller, body, idempotent),
  });
  gated({
    method: 'GET',
    url: '/auth/tokens',
    tag,
    summary: 'One’s own tokens that are not revoked',
    gate: login,
    status: 200,
    answer: schema.TokenList,
    handler: async (caller) => ({ tokens: await tokens.list(caller), next_cursor: null }),
  });
  gated({
    method: 'DELETE',
    url: '/auth/tokens/:id',
    tag,
    summary: 'Revoke a token',
    gate: login,
    params: schema.AuthId,
    status: 204,
    answer: null,
    handler: (caller, { params }) => tokens.revoke(caller, toId<TokenId>(params.id)),
  });
};

export const authRoutes = (routes: Routes, services: Services): void => {
  addLogins(routes, services);
  addTokens(routes, services);
};
