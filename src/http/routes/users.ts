import { toId, type UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import { checkMetadata } from '../../core/metadata.ts';
import { readCursor } from '../../core/page.ts';
import type { Lifecycle } from '../../lifecycle/index.ts';
import type { CreateUser, Users } from '../../users/index.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/users.ts';

interface Services {
  readonly users: Users;
  readonly lifecycle: Pick<Lifecycle, 'erase' | 'previewErasure'>;
}

const tag = 'Users';
const administrator = { anyOf: ['admin'] } as const;
const loginOrAdministrator = { login: true, anyOf: ['admin'] } as const;

const addAccounts = ({ gated }: Routes, { users }: Services): void => {
  gated({
    method: 'POST',
    url: '/users',
    operationId: 'createUser',
    tag,
    summary: 'Create a user (administrators)',
    description: 'Without a password the user cannot log in until an administrator sets one.',
    requires: administrator,
    body: schema.CreateUserBody,
    status: 201,
    answer: schema.User,
    idempotent: true,
    handler: (caller, { body, idempotent }) => {
      checkMetadata(body.metadata as JsonObject | undefined);
      return users.create(caller, body as CreateUser, idempotent);
    },
  });
  gated({
    method: 'GET',
    url: '/users',
    operationId: 'listUsers',
    tag,
    summary: 'Users by the beginning of their username',
    description: 'For choosing whom to share with. Only administrators see more than id, username and display name.',
    requires: { anyOf: ['secrets:share', 'sessions:write', 'admin'] },
    query: schema.UsersQuery,
    status: 200,
    answer: schema.UserList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor } = await users.list(caller, query.q ?? null, page);
      return { users: items, next_cursor };
    },
  });
  gated({
    method: 'GET',
    url: '/users/:id',
    operationId: 'getUser',
    tag,
    summary: 'One user',
    description: 'Users see all of themselves; of others, only id, username and display name.',
    requires: 'authenticated',
    params: schema.UserParams,
    status: 200,
    answer: schema.User,
    refuses: [404],
    handler: (caller, { params }) => users.get(caller, toId<UserId>(params.id)),
  });
  gated({
    method: 'PATCH',
    url: '/users/:id',
    operationId: 'updateUser',
    tag,
    summary: 'Change a user',
    description: 'Email and display name can be changed by the user, role and status by an administrator.',
    requires: loginOrAdministrator,
    params: schema.UserParams,
    body: schema.ChangeUserBody,
    status: 200,
    answer: schema.User,
    refuses: [404, 409],
    handler: (caller, { params, body }) => users.update(caller, toId<UserId>(params.id), body),
  });
};

const addErasing = ({ gated }: Routes, { lifecycle }: Services): void => {
  gated({
    method: 'GET',
    url: '/users/:id/erasure',
    operationId: 'previewErasure',
    tag,
    summary: 'What erasing a user would take away',
    description:
      'Counts everything, and lists up to 100 secrets that others would lose and up to 100 running sessions that would end for others. Names and titles are shown to the user alone, not to administrators.',
    requires: loginOrAdministrator,
    params: schema.UserParams,
    status: 200,
    answer: schema.ErasurePreview,
    refuses: [404],
    handler: (caller, { params }) => lifecycle.previewErasure(caller, toId<UserId>(params.id)),
  });
  gated({
    method: 'DELETE',
    url: '/users/:id',
    operationId: 'eraseUser',
    tag,
    summary: 'Erase a user with all their secrets',
    description:
      'Users can erase themselves; administrators, anybody. This cannot be undone. Once it is answered, nobody can log in as the user or reach anything of theirs. Of a user with very much, rows that nobody can read any more are deleted by a job.',
    requires: loginOrAdministrator,
    params: schema.UserParams,
    status: 200,
    answer: schema.Erasure,
    refuses: [404, 409],
    handler: (caller, { params }) => lifecycle.erase(caller, toId<UserId>(params.id)),
  });
};

const addPasswords = ({ gated }: Routes, { users }: Services): void => {
  gated({
    method: 'POST',
    url: '/users/:id/password',
    operationId: 'setPassword',
    tag,
    summary: 'Change one’s own password, or reset another’s (administrators)',
    description:
      'Changing one’s own password ends one’s other logins and revokes one’s tokens. After a reset, a new login opens no secret for the waiting time (24 hours by default), in which an earlier login or an administrator can cancel the reset.',
    requires: loginOrAdministrator,
    params: schema.UserParams,
    body: schema.PasswordBody,
    guessable: true,
    status: 200,
    answer: schema.User,
    refuses: [404, 409],
    handler: (caller, { params, body }) =>
      users.setPassword(caller, toId<UserId>(params.id), body.current_password, body.new_password),
  });
  gated({
    method: 'POST',
    url: '/users/:id/password/cancel',
    operationId: 'cancelPasswordReset',
    tag,
    summary: 'Cancel an administrator’s password reset',
    description: 'The earlier password is valid again. Logins and tokens made since the reset are ended.',
    requires: loginOrAdministrator,
    params: schema.UserParams,
    status: 200,
    answer: schema.User,
    refuses: [404, 409],
    handler: (caller, { params }) => users.cancelReset(caller, toId<UserId>(params.id)),
  });
};

export const userRoutes = (routes: Routes, services: Services): void => {
  addAccounts(routes, services);
  addErasing(routes, services);
  addPasswords(routes, services);
};
