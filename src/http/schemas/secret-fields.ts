import { Type } from 'typebox';
import { secretNamePattern } from '../../core/names.ts';
import { exposures, scopes, secretStates, secretTypes } from '../../core/secret-types.ts';
import { nullable, Text } from './common.ts';

/* The fields of a secret. */

export const example = {
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

export const TypeName = Type.Enum(secretTypes, { title: 'SecretType' });
export const ScopeName = Type.Enum(scopes, { title: 'Scope' });
export const Exposure = Type.Enum(exposures, { title: 'Exposure' });
export const State = Type.Enum(secretStates, { title: 'SecretState' });
export const Name = Type.String({ pattern: secretNamePattern.source });
export const Description = nullable(Text({ maxLength: 1024 }));
export const Tag = Text({ minLength: 1, maxLength: 64 });
export const Tags = Type.Array(Tag, { maxItems: 32 });
export const Value = Type.String({
  minLength: 1,
  maxLength: 65_536,
  description: '1 byte to 64 KiB of UTF-8, returned byte for byte',
});
