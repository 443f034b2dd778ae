import type { SealedTableOf } from './sealed-table.ts';

/** A restore of the whole database from a backup, written in the transaction that loaded it. */
export interface RestoreRow {
  id: string;
  backup_id: string;
  backup_created_at: Date;
  restored_at: Date;
  /** When an operator released what time would have deleted meanwhile; null while it is held back. */
  released_at: Date | null;
  seal: Buffer;
}

export const restores: SealedTableOf<RestoreRow, never> = {
  table: 'restores',
  key: ['id'],
  sealed: { id: 'uuid', backup_id: 'uuid', backup_created_at: 'time', restored_at: 'time', released_at: 'time' },
  unsealed: {},
};
