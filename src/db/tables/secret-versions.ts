import type { OwnerKeyId, SecretId, UserId } from '../../core/ids.ts';
import type { SealedTableOf } from './sealed-table.ts';
import { selfSealing } from './secrets.ts';

export interface SecretVersionRow {
  secret_id: SecretId;
  version: number;
  /** Null once the version is destroyed. */
  encrypted_value: string | null;
  key_id: OwnerKeyId;
  created_by: UserId;
  created_at: Date;
  destroyed_at: Date | null;
  seal: Buffer;
}

export const secret_versions: SealedTableOf<SecretVersionRow, 'encrypted_value'> = {
  table: 'secret_versions',
  key: ['secret_id', 'version'],
  sealed: {
    secret_id: 'uuid',
    version: 'int',
    key_id: 'uuid',
    created_by: 'uuid',
    created_at: 'time',
    destroyed_at: 'time',
  },
  unsealed: { encrypted_value: { kind: 'text', why: selfSealing } },
};
