import { Type } from 'typebox';
import { secretTypes } from '../../core/secret-types.ts';
import { Id, Instant, Metadata, nullable, PageQuery, ProblemSchema, SessionName, strict } from './common.ts';

const example = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e30',
  owner_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
  name: 'STRIPE_KEY',
  type: 'api_key',
  scope: 'user',
  session_id: null,
  shared_with: [],
  description: 'live key of the billing service',
  tags: ['billing'],
  expires_at: null,
  rotate_after: null,
  is_active: true,
  exposure: 'reveal',
  metadata: {},
  version: 1,
  revision: 1,
  state: 'live',
  access: 'owner',
  created_at: '2026-11-24T09:00:00.000Z',
  updated_at: '2026-11-24T09:00:00.000Z',
  value_set_at: '2026-11-24T09:00:00.000Z',
  deleted_at: null,
};

const TypeName = Type.Enum(secretTypes);
const ScopeName = Type.Enum(['user', 'session', 'shared']);
const Exposure = Type.Enum(['reveal', 'use']);
const Name = Type.String({ pattern: '^[A-Za-z0-9_.-]{1,256}$' });
const Description = nullable(Type.String({ maxLength: 1024 }));
const Tags = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32 });
const Value = Type.String({
  minLength: 1,
  maxLength: 65_536,
  description: '1 byte to 64 KiB of UTF-8, returned byte for byte',
});

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
    revision: Type.Integer({ description: 'the ETag' }),
    state: Type.Enum(['live', 'inactive', 'expired', 'deleted']),
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
      description: 'own secrets of this page that were changed outside of Keyhold',
    }),
  },
  { examples: [{ secrets: [example], next_cursor: null, damaged: [] }] },
);

export const SecretsQuery = strict({
  ...PageQuery,
  name: Type.Optional(Name),
  scope: Type.Optional(ScopeName),
  type: Type.Optional(TypeName),
  tag: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  q: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  owner: Type.Optional(Type.Enum(['me', 'others', 'any'])),
  session_id: Type.Optional(SessionName),
  state: Type.Optional(Type.Enum(['live', 'inactive', 'expired', 'deleted'])),
});

const createFields = {
  name: Name,
  type: TypeName,
  value: Value,
  scope: Type.Optional(ScopeName),
  session_id: Type.Optional(nullable(SessionName)),
  shared_with: Type.Optional(Type.Array(Id, { maxItems: 1000 })),
  description: Type.Optional(Description),
  tags: Type.Optional(Tags),
  expires_at: Type.Optional(nullable(Instant)),
  rotate_after: Type.Optional(nullable(Instant)),
  metadata: Type.Optional(Metadata),
  exposure: Type.Optional(Exposure),
};

const createExample = {
  name: 'STRIPE_KEY',
  type: 'api_key',
  value: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc',
  tags: ['billing'],
};

export const CreateSecretBody = strict(createFields, { examples: [createExample] });

const importFields = {
  on_conflict: Type.Enum(['fail', 'skip', 'update', 'rename']),
  dry_run: Type.Optional(Type.Boolean()),
};

export const ImportBody = strict(
  { items: Type.Array(strict(createFields), { minItems: 1, maxItems: 100_000 }), ...importFields },
  { examples: [{ items: [createExample], on_conflict: 'skip', dry_run: true }] },
);

/** An import whose items were read and checked one by one, as they came. */
export const ImportRead = strict({ items: Type.Array(Type.Unknown(), { minItems: 1 }), ...importFields });

export const Imported = Type.Object(
  {
    dry_run: Type.Boolean(),
    created: Type.Integer(),
    updated: Type.Integer(),
    skipped: Type.Integer(),
    renamed: Type.Integer(),
    items: Type.Array(
      Type.Object({ index: Type.Integer(), id: nullable(Type.String()), name: Type.String(), outcome: Type.String() }),
    ),
  },
  {
    examples: [
      {
        dry_run: false,
        created: 1,
        updated: 0,
        skipped: 0,
        renamed: 0,
        items: [{ index: 0, id: example.id, name: 'STRIPE_KEY', outcome: 'created' }],
      },
    ],
  },
);

export const ChangeSecretBody = strict(
  {
    name: Type.Optional(Name),
    type: Type.Optional(TypeName),
    description: Type.Optional(Description),
    tags: Type.Optional(Tags),
    expires_at: Type.Optional(nullable(Instant)),
    rotate_after: Type.Optional(nullable(Instant)),
    metadata: Type.Optional(Metadata),
    exposure: Type.Optional(Exposure),
  },
  { minProperties: 1, examples: [{ tags: ['billing', 'live'] }] },
);

export const ValueBody = strict({ value: Value }, { examples: [{ value: 'sk_live_new' }] });

const revealed = { id: example.id, name: 'STRIPE_KEY', version: 1, value: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc' };

export const SecretValue = Type.Object(
  { id: Type.String(), name: Type.String(), version: Type.Integer(), value: Type.String() },
  { examples: [revealed] },
);

export const RevealBody = strict(
  {
    ids: Type.Optional(Type.Array(Id, { minItems: 1, maxItems: 100 })),
    names: Type.Optional(Type.Array(Name, { minItems: 1, maxItems: 100 })),
  },
  { minProperties: 1, maxProperties: 1, examples: [{ names: ['STRIPE_KEY'] }] },
);

export const RevealedList = Type.Object(
  {
    secrets: Type.Array(
      Type.Object({
        asked: Type.String({ description: 'the id or name as it was asked for' }),
        id: Type.Optional(Type.String()),
        name: Type.Optional(Type.String()),
        version: Type.Optional(Type.Integer()),
        value: Type.Optional(Type.String()),
        problem: Type.Optional(ProblemSchema),
        candidates: Type.Optional(Type.Array(Type.Object({ id: Type.String(), owner_id: Type.String() }))),
      }),
    ),
  },
  { examples: [{ secrets: [{ asked: 'STRIPE_KEY', ...revealed }] }] },
);

export const VersionList = Type.Object(
  {
    versions: Type.Array(
      Type.Object({
        version: Type.Integer(),
        created_by: Type.String(),
        created_at: Instant,
        destroyed_at: nullable(Instant),
        current: Type.Boolean(),
      }),
    ),
    next_cursor: nullable(Type.String()),
  },
  {
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

export const TransferBody = strict(
  { scope: ScopeName, session_id: Type.Optional(nullable(SessionName)) },
  { examples: [{ scope: 'session', session_id: 'chat-42' }] },
);

export const AccessList = Type.Object(
  {
    access: Type.Array(
      Type.Object({
        user_id: Type.String(),
        username: nullable(Type.String()),
        because: Type.String(),
        actions: Type.Array(Type.String()),
      }),
    ),
    next_cursor: nullable(Type.String()),
  },
  {
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
  { examples: [{ types: [...secretTypes], next_cursor: null }] },
);

const Counts = Type.Record(Type.String(), Type.Integer());

export const Stats = Type.Object(
  {
    total: Type.Integer(),
    own: Type.Integer(),
    from_others: Type.Integer(),
    by_scope: Counts,
    by_type: Counts,
    by_state: Counts,
  },
  {
    examples: [
      { total: 1, own: 1, from_others: 0, by_scope: { user: 1 }, by_type: { api_key: 1 }, by_state: { live: 1 } },
    ],
  },
);

export const RemoveQuery = strict({ purge: Type.Optional(Type.Boolean()) });
