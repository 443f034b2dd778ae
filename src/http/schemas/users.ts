import { Type } from 'typebox';
import { offeredRoles } from '../../core/permissions.ts';
import { assignableStatuses } from '../../core/user-status.ts';
import { documented, Email, Id, Instant, Metadata, nullable, PageQuery, strict, Text } from './common.ts';

export const userExample = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
  username: 'ada',
  display_name: 'Ada Lovelace',
  email: 'ada@example.org',
  role: 'member',
  status: 'active',
  issuer: null,
  secrets_from: null,
  metadata: {},
  created_at: '2026-11-24T09:00:00.000Z',
  updated_at: '2026-11-24T09:00:00.000Z',
};

const Role = Type.Enum(offeredRoles, { title: 'Role' });
const Status = Type.Enum(assignableStatuses, { title: 'UserStatus' });

export const User = Type.Object(
  {
    id: Type.String(),
    username: Type.String(),
    display_name: nullable(Type.String()),
    email: Type.Optional(nullable(Type.String())),
    role: Type.Optional(
      Type.String({
        description: 'member or admin. Stored users may carry another role, which grants what member grants',
      }),
    ),
    status: Type.Optional(Status),
    issuer: Type.Optional(nullable(Type.String())),
    secrets_from: Type.Optional(nullable(Instant)),
    metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    created_at: Type.Optional(Instant),
    updated_at: Type.Optional(Instant),
  },
  {
    title: 'User',
    description: 'Of other users only id, username and display_name are shown',
    examples: [userExample],
  },
);

export const UserList = Type.Object(
  { users: Type.Array(User), next_cursor: nullable(Type.String()) },
  {
    title: 'UserList',
    examples: [{ users: [{ id: userExample.id, username: 'ada', display_name: 'Ada Lovelace' }], next_cursor: null }],
  },
);

export const UsersQuery = strict({ ...PageQuery, q: Type.Optional(Text({ minLength: 1, maxLength: 128 })) });

const NewUsername = Type.String({
  minLength: 1,
  maxLength: 128,
  // Neither white space at the ends nor control characters.
  ...documented({
    pattern: '^[^\\s\\u0000-\\u001f\\u007f]([^\\u0000-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f])?$',
  }),
});
const Password = Text({ minLength: 1, maxLength: 512 });
const NewPassword = Type.String({
  minLength: 1,
  maxLength: 512,
  description: '12 to 128 characters',
  ...documented({ minLength: 12, maxLength: 128, pattern: '^[^\\u0000]*$' }),
});
const DisplayName = nullable(Text({ minLength: 1, maxLength: 128 }));

export const CreateUserBody = strict(
  {
    username: NewUsername,
    password: Type.Optional(NewPassword),
    email: Type.Optional(nullable(Email)),
    display_name: Type.Optional(DisplayName),
    role: Type.Optional(Role),
    metadata: Type.Optional(Metadata),
  },
  {
    title: 'CreateUserRequest',
    examples: [{ username: 'ada', password: 'correct horse battery', display_name: 'Ada Lovelace' }],
  },
);

export const ChangeUserBody = strict(
  {
    email: Type.Optional(nullable(Email)),
    display_name: Type.Optional(DisplayName),
    role: Type.Optional(Role),
    status: Type.Optional(Status),
  },
  { title: 'UpdateUserRequest', minProperties: 1, examples: [{ display_name: 'Countess Lovelace' }] },
);

export const PasswordBody = strict(
  { current_password: Type.Optional(Password), new_password: NewPassword },
  {
    title: 'SetPasswordRequest',
    examples: [{ current_password: 'correct horse battery', new_password: 'staple correct horse' }],
  },
);

export const UserParams = strict({ id: Id });

const ErasedCounts = Type.Object(
  {
    secrets: Type.Integer({ description: 'Secrets of the user' }),
    versions: Type.Integer({ description: 'Earlier versions of their values' }),
    shares: Type.Integer({ description: 'Secrets of others that were shared with the user' }),
    sessions: Type.Integer({ description: 'Running sessions of the user, which end' }),
    participations: Type.Integer({ description: 'Sessions in which the user is present, their own included' }),
    handovers: Type.Integer({ description: 'Hand-overs that name the user' }),
    logins: Type.Integer({ description: 'Logins, those that ended included' }),
    tokens: Type.Integer({ description: 'Tokens, revoked ones included' }),
    webhooks: Type.Integer({ description: 'Webhooks of the user' }),
    memories: Type.Integer({ description: 'Facts in the memory graph: entities, observations and relations' }),
  },
  { title: 'ErasedCounts' },
);

const counts = {
  secrets: 12,
  versions: 30,
  shares: 3,
  sessions: 1,
  participations: 4,
  handovers: 0,
  logins: 2,
  tokens: 1,
  webhooks: 1,
  memories: 12,
};

export const Erasure = Type.Object(
  {
    user_id: Type.String(),
    complete: Type.Boolean({ description: 'Whether everything is deleted by now' }),
    job_id: nullable(Type.String({ description: 'The job that deletes the rest, which nobody can read any more' })),
    counts: ErasedCounts,
  },
  {
    title: 'Erasure',
    description: 'A receipt: what is deleted by now. The job counts on from there',
    examples: [{ user_id: userExample.id, complete: true, job_id: null, counts }],
  },
);

const affected = { user_id: Type.String(), username: nullable(Type.String()) };
const grace = { user_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e10', username: 'grace' };

export const ErasurePreview = Type.Object(
  {
    user_id: Type.String(),
    username: Type.String(),
    counts: ErasedCounts,
    shared_secrets_total: Type.Integer(),
    shared_secrets: Type.Array(
      Type.Object({
        id: Type.String(),
        name: nullable(Type.String({ description: 'Shown to the user alone' })),
        shared_with: Type.Array(Type.Object(affected)),
      }),
      { description: 'Up to 100 secrets that others would lose' },
    ),
    running_sessions: Type.Array(
      Type.Object({
        id: Type.String(),
        title: nullable(Type.String({ description: 'Shown to the user alone' })),
        participants: Type.Array(
          Type.Object({ ...affected, secrets: Type.Integer({ description: 'Their secrets in the session' }) }),
        ),
      }),
      { description: 'Up to 100 running sessions of the user in which others are present' },
    ),
    blocking: Type.Array(Type.Object({ code: Type.String(), detail: Type.String() }), {
      description: 'Why the erasure would be refused now, and what to do first',
    }),
  },
  {
    title: 'ErasurePreview',
    examples: [
      {
        user_id: userExample.id,
        username: 'ada',
        counts,
        shared_secrets_total: 1,
        shared_secrets: [{ id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e30', name: 'DEPLOY_KEY', shared_with: [grace] }],
        running_sessions: [
          { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e31', title: 'Release', participants: [{ ...grace, secrets: 2 }] },
        ],
        blocking: [],
      },
    ],
  },
);
