import { Type } from 'typebox';
import { Id, Instant, nullable, PermissionName, SessionName, strict } from './common.ts';
import { User, userExample } from './users.ts';

export const LoginBody = strict(
  {
    username: Type.String({ minLength: 1, maxLength: 512 }),
    password: Type.String({ minLength: 1, maxLength: 512 }),
  },
  { examples: [{ username: 'ada', password: 'correct horse battery' }] },
);

export const RefreshBody = strict(
  { refresh_token: Type.String({ minLength: 1, maxLength: 512 }) },
  { examples: [{ refresh_token: 'khr_AZnW8l8OfE6dPAorTG2ODwAAAAA…' }] },
);

export const Granted = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'seconds' }),
    refresh_token: Type.String(),
    user: User,
  },
  {
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

const Login = Type.Object({
  id: Type.String(),
  created_at: Instant,
  last_used_at: Instant,
  expires_at: Instant,
  ip: nullable(Type.String()),
  user_agent: nullable(Type.String()),
  current: Type.Boolean(),
});

export const LoginList = Type.Object(
  { logins: Type.Array(Login), next_cursor: nullable(Type.String()) },
  { examples: [{ logins: [login], next_cursor: null }] },
);

export const Me = Type.Object(
  {
    user: User,
    agent: nullable(Type.String()),
    session_id: nullable(Type.String()),
    permissions: Type.Array(Type.String()),
    waiting_until: nullable(Instant),
  },
  {
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
  permissions: Type.Array(Type.String()),
  agent: nullable(Type.String()),
  session_id: nullable(Type.String()),
  created_at: Instant,
  expires_at: Instant,
  last_used_at: nullable(Instant),
};

export const CreatedToken = Type.Object(
  { ...tokenFields, token: Type.Optional(Type.String({ description: 'shown this once' })) },
  { examples: [{ ...token, token: 'kh_AZnW8l8OfE6dPAorTG2OEQ…' }] },
);

export const TokenList = Type.Object(
  { tokens: Type.Array(Type.Object(tokenFields)), next_cursor: nullable(Type.String()) },
  { examples: [{ tokens: [token], next_cursor: null }] },
);

const tenYears = 315_360_000;

export const CreateTokenBody = strict(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    permissions: Type.Array(PermissionName, { minItems: 1, maxItems: 32 }),
    agent: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 128 }))),
    session_id: Type.Optional(nullable(SessionName)),
    expires_in: Type.Integer({ minimum: 1, maximum: tenYears, description: 'seconds' }),
  },
  {
    examples: [
      { name: 'build agent', agent: 'builder', permissions: ['secrets:list', 'secrets:reveal'], expires_in: 86_400 },
    ],
  },
);

export const AuthId = strict({ id: Id });
