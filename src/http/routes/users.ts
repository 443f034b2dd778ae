import { toId, type UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import { checkMetadata } from '../../core/metadata.ts';
import { readCursor } from '../../core/page.ts';
import type { Erase } from '../../lifecycle/index.ts';
import type { CreateUser, Users } from '../../users/index.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/users.ts';

interface Services {
  readonly users: Users;
  readonly erase: Erase;
}

const tag = 'Users';
const loginOrAdmin = { login: true, anyOf: ['admin'] } as const;

export const userRoutes = ({ gated }: Routes, { users, erase }: Services): void => {
  gated({
    method: 'POST',
    url: '/users',
    tag,
    summary: 'Make a user (administrators)',
    gate: { anyOf: ['admin'] },
    body: schema.CreateUserBody,
    status: 201,
    answer: schema.User,
    handler: (caller, { body, idempotent }) => {
      checkMetadata(body.metadata as JsonObject | undefined);
      return users.create(caller, body as CreateUser, idempotent);
    },
  });
  gated({
    method: 'GET',
    url: '/users',
    tag,
    summary: 'Users by the beginning of their username, for choosing whom to share with',
    gate: { anyOf: ['secrets:share', 'sessions:write', 'admin'] },
    query: schema.UsersQuery,
    status: 200,
    answer: schema.Users,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor } = await users.list(caller, query.q ?? null, page);
      return { users: items, next_cursor };
    },
  });
  gated({
    method: 'GET',
    url: '/users/:id',
    tag,
    summary: 'One user; of others only id, username and display name',
    gate: 'anybody',
    params: schema.UserParams,
    status: 200,
    answer: schema.User,
    handler: (caller, { params }) => users.get(caller, toId<UserId>(params.id)),
  });
  gated({
    method: 'PATCH',
    url: '/users/:id',
    tag,
    summary: 'Change one’s own email and display name; administrators: role and status',
    gate: loginOrAdmin,
    params: schema.UserParams,
    body: schema.ChangeUserBody,
    status: 200,
    answer: schema.User,
    handler: (caller, { params, body }) => users.update(caller, toId<UserId>(params.id), body),
  });
  gated({
    method: 'POST',
    url: '/users/:id/password',
    tag,
    summary: 'Change one’s own password, or reset another’s (administrators)',
    description:
      'Changing one’s own ends one’s other logins and revokes one’s tokens. After a reset, a new login opens no secret for the waiting time (24 hours), in which an earlier login or an administrator can call it off.',
    gate: loginOrAdmin,
    params: schema.UserParams,
    body: schema.PasswordBody,
    guessable: true,
    status: 200,
    answer: schema.User,
    handler: (caller, { params, body }) =>
      users.setPassword(caller, toId<UserId>(params.id), body.current_password, body.new_password),
  });
  gated({
    method: 'POST',
    url: '/users/:id/password/cancel',
    tag,
    summary: 'Call an administrator’s password reset off',
    gate: loginOrAdmin,
    params: schema.UserParams,
    status: 200,
    answer: schema.User,
    handler: (caller, { params }) => users.cancelReset(caller, toId<UserId>(params.id)),
  });
  gated({
    method: 'DELETE',
    url: '/users/:id',
    tag,
    summary: 'Erase a user with all their secrets, for good',
    gate: loginOrAdmin,
    params: schema.UserParams,
    status: 204,
    answer: null,
    handler: (caller, { params }) => erase(caller, toId<UserId>(params.id)),
  });
};
