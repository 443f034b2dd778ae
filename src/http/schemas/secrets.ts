import { type TSchema, Type } from 'typebox';
import { ownerFilters, secretTypes } from '../../core/secret-types.ts';
import { Id, Instant, nullable, PageQuery, ProblemSchema, SessionName, strict, Text } from './common.ts';
import { Exposure, example, Name, ScopeName, State, Tag, TypeName } from './secret-fields.ts';

/* What is asked for when secrets are read, and what is answered. */

export const Secret = Type.Object(
  {
    id: Type.String(),
    owner_id: Type.String(),
    name: Type.String(),
    type: Type.String(),
    scope: ScopeName,
    session_id: nullable(Type.String()),
    shared_with: Type.Array(Type.String()),
    description: nullable(Type.String()),
    tags: Type.Array(Type.String()),
    expires_at: nullable(Instant),
    rotate_after: nullable(Instant),
    is_active: Type.Boolean(),
    exposure: Exposure,
    metadata: Type.Record(Type.String(), Type.Unknown()),
    version: Type.Integer(),
    revision: Type.Integer({ description: 'The number in the ETag' }),
    state: State,
    access: Type.Enum(['owner', 'session', 'shared']),
    created_at: Instant,
    updated_at: Instant,
    value_set_at: Instant,
    deleted_at: nullable(Instant),
  },
  { title: 'Secret', examples: [example] },
);

export const SecretList = Type.Object(
  {
    secrets: Type.Array(Secret),
    next_cursor: nullable(Type.String()),
    damaged: Type.Array(Type.String(), {
      description: 'Ids of the caller’s own secrets of this page that were changed outside of Keyhold',
    }),
  },
  { title: 'SecretList', examples: [{ secrets: [example], next_cursor: null, damaged: [] }] },
);

export const SecretsQuery = strict({
  ...PageQuery,
  name: Type.Optional(Name),
  scope: Type.Optional(ScopeName),
  type: Type.Optional(TypeName),
  tag: Type.Optional(Tag),
  q: Type.Optional(Text({ minLength: 1, maxLength: 256 })),
  owner: Type.Optional(Type.Enum(ownerFilters)),
  session_id: Type.Optional(SessionName),
  state: Type.Optional(State),
});

const revealed = {
  id: example.id,
  name: 'STRIPE_KEY',
  version: 1,
  value: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc',
  use_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e41',
};

const UseId = Type.String({ description: 'The id of the record of this use, by which the memory graph knows it' });

export const SecretValue = Type.Object(
  { id: Type.String(), name: Type.String(), version: Type.Integer(), value: Type.String(), use_id: UseId },
  { title: 'SecretValue', examples: [revealed] },
);

export const RevealedList = Type.Object(
  {
    secrets: Type.Array(
      Type.Object(
        {
          asked: Type.String({ description: 'The id or name that was asked for' }),
          id: Type.Optional(Type.String()),
          name: Type.Optional(Type.String()),
          version: Type.Optional(Type.Integer()),
          value: Type.Optional(Type.String()),
          use_id: Type.Optional(UseId),
          problem: Type.Optional(ProblemSchema),
          candidates: Type.Optional(
            Type.Array(Type.Object({ id: Type.String(), owner_id: Type.String() }), {
              description: 'The secrets that an ambiguous name stands for',
            }),
          ),
        },
        { title: 'RevealedSecret' },
      ),
    ),
  },
  { title: 'RevealedSecretList', examples: [{ secrets: [{ asked: 'STRIPE_KEY', ...revealed }] }] },
);

export const VersionList = Type.Object(
  {
    versions: Type.Array(
      Type.Object(
        {
          version: Type.Integer(),
          created_by: Type.String(),
          created_at: Instant,
          destroyed_at: nullable(Instant),
          current: Type.Boolean(),
        },
        { title: 'SecretVersion' },
      ),
    ),
    next_cursor: nullable(Type.String()),
  },
  {
    title: 'SecretVersionList',
    examples: [
      {
        versions: [
          {
            version: 1,
            created_by: example.owner_id,
            created_at: example.created_at,
            destroyed_at: null,
            current: true,
          },
        ],
        next_cursor: null,
      },
    ],
  },
);

export const VersionParams = strict({ id: Id, v: Type.String({ pattern: '^[1-9][0-9]{0,8}$' }) });

export const AccessList = Type.Object(
  {
    access: Type.Array(
      Type.Object(
        {
          user_id: Type.String(),
          username: nullable(Type.String()),
          because: Type.String(),
          actions: Type.Array(Type.String()),
        },
        { title: 'SecretAccess' },
      ),
    ),
    next_cursor: nullable(Type.String()),
  },
  {
    title: 'SecretAccessList',
    examples: [
      {
        access: [{ user_id: example.owner_id, username: 'ada', because: 'owner', actions: ['list', 'reveal', 'use'] }],
        next_cursor: null,
      },
    ],
  },
);

export const TypeList = Type.Object(
  { types: Type.Array(Type.String()), next_cursor: nullable(Type.String()) },
  { title: 'SecretTypeList', examples: [{ types: [...secretTypes], next_cursor: null }] },
);

const Counts = Type.Record(Type.String(), Type.Integer());

const first = <T extends TSchema>(item: T, description: string) =>
  Type.Object(
    { count: Type.Integer(), first: Type.Array(item, { description: 'At most 20 of them' }) },
    { description },
  );

const DatedSecret = Type.Object(
  { id: Type.String(), name: Type.String(), at: Instant },
  { title: 'DatedSecret', description: 'A secret, and the date because of which it is listed' },
);

const Sharing = Type.Object(
  { user_id: Type.String(), username: nullable(Type.String()), secrets: Type.Integer() },
  { title: 'SharingCount' },
);

const none = { count: 0, first: [] };

export const Stats = Type.Object(
  {
    total: Type.Integer(),
    own: Type.Integer(),
    from_others: Type.Integer(),
    by_scope: Counts,
    by_type: Counts,
    by_state: Counts,
    expiring: first(DatedSecret, 'Live secrets that expire within 14 days'),
    rotation_due: first(DatedSecret, 'The caller’s own live secrets to be rotated within 14 days, or already'),
    unused: first(DatedSecret, 'The caller’s own live secrets, since their creation, that nobody revealed for 90 days'),
    shared_with: first(Sharing, 'With whom the caller shares how many live secrets'),
  },
  {
    title: 'SecretStats',
    examples: [
      {
        total: 1,
        own: 1,
        from_others: 0,
        by_scope: { user: 1 },
        by_type: { api_key: 1 },
        by_state: { live: 1 },
        expiring: { count: 1, first: [{ id: example.id, name: 'STRIPE_KEY', at: '2026-12-01T00:00:00.000Z' }] },
        rotation_due: none,
        unused: none,
        shared_with: none,
      },
    ],
  },
);
