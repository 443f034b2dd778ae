import { Type } from 'typebox';
import { roles } from '../../core/caller.ts';
import { Email, Id, Instant, Metadata, nullable, PageQuery, strict, Username } from './common.ts';

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

const Role = Type.Enum(roles);
const Status = Type.Enum(['active', 'disabled']);

export const User = Type.Object(
  {
    id: Type.String(),
    username: Type.String(),
    display_name: nullable(Type.String()),
    email: Type.Optional(nullable(Type.String())),
    role: Type.Optional(Role),
    status: Type.Optional(Status),
    issuer: Type.Optional(nullable(Type.String())),
    secrets_from: Type.Optional(nullable(Instant)),
    metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    created_at: Type.Optional(Instant),
    updated_at: Type.Optional(Instant),
  },
  { title: 'User', description: 'Of others one sees id, username and display_name.', examples: [userExample] },
);

export const Users = Type.Object(
  { users: Type.Array(User), next_cursor: nullable(Type.String()) },
  { examples: [{ users: [{ id: userExample.id, username: 'ada', display_name: 'Ada Lovelace' }], next_cursor: null }] },
);

export const UsersQuery = strict({ ...PageQuery, q: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })) });

const Password = Type.String({ minLength: 1, maxLength: 512, description: '12 to 128 characters' });

export const CreateUserBody = strict(
  {
    username: Username,
    password: Type.Optional(Password),
    email: Type.Optional(nullable(Email)),
    display_name: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 128 }))),
    role: Type.Optional(Role),
    metadata: Type.Optional(Metadata),
  },
  { examples: [{ username: 'ada', password: 'correct horse battery', display_name: 'Ada Lovelace' }] },
);

export const ChangeUserBody = strict(
  {
    email: Type.Optional(nullable(Email)),
    display_name: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 128 }))),
    role: Type.Optional(Role),
    status: Type.Optional(Status),
  },
  { minProperties: 1, examples: [{ display_name: 'Countess Lovelace' }] },
);

export const PasswordBody = strict(
  { current_password: Type.Optional(Password), new_password: Password },
  { examples: [{ current_password: 'correct horse battery', new_password: 'staple correct horse' }] },
);

export const UserParams = strict({ id: Id });
