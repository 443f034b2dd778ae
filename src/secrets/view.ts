import type { AccessBasis } from '../access/index.ts';
import type { UserId } from '../core/ids.ts';
import type { SecretState } from '../core/secret-types.ts';
import type { SecretRow } from '../db/tables/index.ts';
import { stateOf } from './secret.ts';

/** A secret as it is shown: everything but the value. */
export interface SecretView
  extends Omit<SecretRow, 'encrypted_value' | 'key_id' | 'seal' | 'value_set_at' | 'shared_with'> {
  /** The owner sees every grantee; a grantee sees only themselves. */
  readonly shared_with: readonly UserId[];
  readonly state: SecretState;
  /** On what basis the caller sees it. */
  readonly access: AccessBasis;
  readonly value_set_at: Date;
}

export const viewOf = (
  row: Omit<SecretRow, 'encrypted_value' | 'key_id' | 'seal'>,
  basis: AccessBasis,
  viewer: UserId,
  now: Date,
): SecretView => ({
  id: row.id,
  owner_id: row.owner_id,
  name: row.name,
  type: row.type,
  scope: row.scope,
  session_id: row.session_id,
  shared_with: basis === 'owner' ? row.shared_with : row.shared_with.filter((id) => id === viewer),
  description: row.description,
  tags: row.tags,
  expires_at: row.expires_at,
  rotate_after: row.rotate_after,
  is_active: row.is_active,
  exposure: row.exposure,
  metadata: row.metadata,
  version: row.version,
  revision: row.revision,
  state: stateOf(row, now),
  access: basis,
  created_at: row.created_at,
  updated_at: row.updated_at,
  value_set_at: row.value_set_at,
  deleted_at: row.deleted_at,
});
