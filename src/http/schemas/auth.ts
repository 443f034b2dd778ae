import { Type } from 'typebox';
import { Id, Instant, nullable, PermissionName, SessionName, strict, Text } from './common.ts';
import { User, userExample } from './users.ts';

export const LoginBody = strict(
  {
    username: Text({ minLength: 1, maxLength: 512 }),
    password: Text({ minLength: 1, maxLength: 512 }),
  },
  { title: 'LogInRequest', examples: [{ username: 'ada', password: 'correct horse battery' }] },
);

export const RefreshBody = strict(
  { refresh_token: Text({ minLength: 1, maxLength: 512 }) },
  { title: 'RefreshTokensRequest', examples: [{ refresh_token: 'khr_AZnW8l8OfE6dPAorTG2ODwAAAAA…' }] },
);

export const TokenPair = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds that the access token is valid' }),
    refresh_token: Type.String(),
    user: User,
  },
  {
    title: 'TokenPair',
    examples: [
      {
        access_token: 'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9…',
        token_type: 'Bearer',
        expires_in: 900,
        refresh_token: 'khr_AZnW8l8OfE6dPAorTG2ODwAAAAA…',
        user: userExample,
      },
    ],
  },
);

const login = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e10',
  created_at: '2026-11-24T09:00:00.000Z',
  last_used_at: '2026-11-24T09:10:00.000Z',
  expires_at: '2026-12-24T09:00:00.000Z',
  ip: '192.0.2.7',
  user_agent: 'curl/8.7.1',
  current: true,
};

const Login = Type.Object(
  {
    id: Type.String(),
    created_at: Instant,
    last_used_at: Instant,
    expires_at: Instant,
    ip: nullable(Type.String()),
    user_agent: nullable(Type.String()),
    current: Type.Boolean(),
  },
  { title: 'Login' },
);

export const LoginList = Type.Object(
  { logins: Type.Array(Login), next_cursor: nullable(Type.String()) },
  { title: 'LoginList', examples: [{ logins: [login], next_cursor: null }] },
);

/** Open on purpose: stored tokens, and the roles of logins, may carry names that no new token can be given. */
const PermissionNames = Type.Array(Type.String(), {
  description: 'May hold names that are not offered for new tokens; they grant nothing',
});

export const Me = Type.Object(
  {
    user: User,
    agent: nullable(Type.String()),
    session_id: nullable(Type.String()),
    permissions: PermissionNames,
    waiting_until: nullable(Instant),
  },
  {
    title: 'Me',
    examples: [
      {
        user: userExample,
        agent: null,
        session_id: null,
        permissions: ['secrets:list', 'secrets:reveal'],
        waiting_until: null,
      },
    ],
  },
);

const token = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e11',
  name: 'build agent',
  permissions: ['secrets:list', 'secrets:reveal'],
  agent: 'builder',
  session_id: null,
  created_at: '2026-11-24T09:00:00.000Z',
  expires_at: '2026-11-25T09:00:00.000Z',
  last_used_at: null,
};

const tokenFields = {
  id: Type.String(),
  name: Type.String(),
  permissions: PermissionNames,
  agent: nullable(Type.String()),
  session_id: nullable(Type.String()),
  created_at: Instant,
  expires_at: Instant,
  last_used_at: nullable(Instant),
};

export const CreatedToken = Type.Object(
  { ...tokenFields, token: Type.Optional(Type.String({ description: 'Shown this once' })) },
  { title: 'CreatedToken', examples: [{ ...token, token: 'kh_AZnW8l8OfE6dPAorTG2OEQ…' }] },
);

export const TokenList = Type.Object(
  { tokens: Type.Array(Type.Object(tokenFields, { title: 'Token' })), next_cursor: nullable(Type.String()) },
  { title: 'TokenList', examples: [{ tokens: [token], next_cursor: null }] },
);

const tenYears = 315_360_000;

export const CreateTokenBody = strict(
  {
    name: Text({ minLength: 1, maxLength: 128 }),
    permissions: Type.Array(PermissionName, { minItems: 1, maxItems: 32 }),
    agent: Type.Optional(nullable(Text({ minLength: 1, maxLength: 128 }))),
    session_id: Type.Optional(nullable(SessionName)),
    expires_in: Type.Integer({ minimum: 1, maximum: tenYears, description: 'Seconds from now' }),
  },
  {
    title: 'CreateTokenRequest',
    examples: [
      { name: 'build agent', agent: 'builder', permissions: ['secrets:list', 'secrets:reveal'], expires_in: 86_400 },
    ],
  },
);

export const AuthId = strict({ id: Id });
