import { Type } from 'typebox';
import { sealedTables } from '../../db/tables/index.ts';
import { Id, Instant, nullable, strict, Text } from './common.ts';
import { Job } from './jobs.ts';

const RootKeyId = Type.String({ pattern: '^[0-9a-f]{16}$', description: 'The id of a root key' });

const rootKeyExample = {
  id: '5b1f0c9a7e3d2468',
  state: 'primary',
  added_at: '2026-11-24T09:00:00.000Z',
  owner_keys: 41,
  logins: 12,
  last_token_expires_at: null,
  unused_since: null,
  retired_at: null,
  needed_for: ['It is the primary root key of 1 service.'],
};

const RootKey = Type.Object(
  {
    id: Type.String(),
    state: Type.Enum(['primary', 'current', 'retired', 'missing'], {
      title: 'RootKeyState',
      description: 'missing: known to the database, but not held by the service that answers',
    }),
    added_at: nullable(Instant),
    owner_keys: Type.Integer({ description: 'How many owner keys it wraps' }),
    logins: Type.Integer({ description: 'How many logins have a refresh token that was made under it' }),
    last_token_expires_at: nullable(
      Type.String({ format: 'date-time', description: 'When the last access token that it signed expires' }),
    ),
    unused_since: nullable(Type.String({ format: 'date-time', description: 'Backups made before still need it' })),
    retired_at: nullable(Instant),
    needed_for: Type.Array(Type.String(), { description: 'Why it cannot be retired now, each as a sentence' }),
  },
  { title: 'RootKey', examples: [rootKeyExample] },
);

const sealKeyExample = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
  generation: 1,
  state: 'sealing',
  created_at: '2026-11-24T09:00:00.000Z',
  promoted_at: null,
};

const SealKey = Type.Object(
  {
    id: Type.String(),
    generation: Type.Integer(),
    state: Type.Enum(['sealing', 'announced', 'verifying', 'retired'], {
      title: 'SealKeyState',
      description: 'retired: it verifies audit records only',
    }),
    created_at: Instant,
    promoted_at: nullable(Instant),
  },
  { title: 'SealKey', examples: [sealKeyExample] },
);

const serviceExample = {
  id: '4f0c2f5e-7c4e-4d3c-8a2b-4c6d8e0f0199',
  host: 'vault-1',
  pid: 4711,
  root_key_ids: ['5b1f0c9a7e3d2468'],
  seal_generation: 1,
  started_at: '2026-11-24T09:00:00.000Z',
  seen_at: '2026-11-24T09:20:00.000Z',
};

const LiveService = Type.Object(
  {
    id: Type.String(),
    host: Type.String(),
    pid: Type.Integer(),
    root_key_ids: Type.Array(Type.String(), { description: 'The root keys that it holds, the primary one first' }),
    seal_generation: Type.Integer({ description: 'The generation of the seal key with which it seals' }),
    started_at: Instant,
    seen_at: Instant,
  },
  { title: 'LiveService', examples: [serviceExample] },
);

export const Keys = Type.Object(
  {
    source: Type.String({ description: 'Where the service that answers reads its root keys' }),
    root_keys: Type.Array(RootKey),
    seal_keys: Type.Array(SealKey, { description: 'The newest first' }),
    services: Type.Array(LiveService, { description: 'Heard of within the last 30 seconds' }),
  },
  {
    title: 'Keys',
    examples: [
      {
        source: '/etc/keyhold/root.key',
        root_keys: [rootKeyExample],
        seal_keys: [sealKeyExample],
        services: [serviceExample],
      },
    ],
  },
);

export const RootRotation = Type.Object(
  {
    state: Type.Enum(['waiting', 'rewrapping'], {
      title: 'RootRotationState',
      description: 'waiting: ask again once the services named hold the new key',
    }),
    root_key_id: Type.String({ description: 'The new root key' }),
    waiting_for: Type.Optional(Type.Array(Type.String(), { description: 'Services that do not hold the new key yet' })),
    job: Type.Optional(Job),
  },
  {
    title: 'RootRotation',
    examples: [
      { state: 'waiting', root_key_id: '5b1f0c9a7e3d2468', waiting_for: ['4f0c2f5e (vault-2, process 4711)'] },
    ],
  },
);

export const ReencryptBody = strict(
  { user_id: Type.Optional(Id) },
  { title: 'Reencrypt', examples: [{ user_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f' }] },
);

const BrokenRow = strict(
  {
    table: Type.Enum(Object.keys(sealedTables), { title: 'TableName' }),
    key: Text({ minLength: 1, maxLength: 600 }),
  },
  { title: 'BrokenRow', examples: [{ table: 'secrets', key: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f' }] },
);

export const RetireBody = strict(
  {
    root_key_id: Type.Optional(RootKeyId),
    seal_key_id: Type.Optional(Id),
    end_logins: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'End the logins that need the root key, instead of waiting for them',
      }),
    ),
    give_up: Type.Optional(
      Type.Array(BrokenRow, {
        maxItems: 100,
        description: 'Rows that do not open, which keep the key from being retired: they are removed for good',
      }),
    ),
  },
  { title: 'RetireKey', examples: [{ root_key_id: '5b1f0c9a7e3d2468' }] },
);

export const Retirement = Type.Object(
  { job: nullable(Job) },
  {
    title: 'Retirement',
    description: 'The job that retires seal keys; null for a root key, which is retired at once',
    examples: [{ job: null }],
  },
);
