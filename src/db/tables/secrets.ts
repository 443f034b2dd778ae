import type { OwnerKeyId, SecretId, UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Exposure, Scope, SecretType } from '../../core/secret-types.ts';
import type { SealedTableOf } from './sealed-table.ts';

export interface SecretRow {
  id: SecretId;
  owner_id: UserId;
  name: string;
  type: SecretType;
  scope: Scope;
  /** The session's own id as text; null unless the scope is session. */
  session_id: string | null;
  shared_with: readonly UserId[];
  encrypted_value: string;
  description: string | null;
  tags: readonly string[];
  expires_at: Date | null;
  is_active: boolean;
  metadata: JsonObject;
  created_at: Date;
  updated_at: Date;
  version: number;
  key_id: OwnerKeyId;
  exposure: Exposure;
  rotate_after: Date | null;
  deleted_at: Date | null;
  /** When the current version of the value was written. */
  value_set_at: Date;
  revision: number;
  seal: Buffer;
}

export const selfSealing =
  'a Fernet token under a key made of owner key, secret and version: it opens in its own row only, and lists need not read it';

export const secrets: SealedTableOf<SecretRow, 'updated_at' | 'encrypted_value'> = {
  table: 'secrets',
  key: ['id'],
  sealed: {
    id: 'uuid',
    owner_id: 'uuid',
    name: 'text',
    type: 'text',
    scope: 'text',
    session_id: 'text',
    shared_with: 'json',
    description: 'text',
    tags: 'json',
    expires_at: 'time',
    is_active: 'bool',
    metadata: 'json',
    created_at: 'time',
    version: 'int',
    key_id: 'uuid',
    exposure: 'text',
    rotate_after: 'time',
    deleted_at: 'time',
    value_set_at: 'time',
    revision: 'bigint',
  },
  unsealed: { updated_at: { kind: 'time', why: 'shown only' }, encrypted_value: { kind: 'text', why: selfSealing } },
};
