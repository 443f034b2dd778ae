import type { SealedTableOf } from './sealed-table.ts';

/** A root key that services have proved against this database. Its bytes are never here. */
export interface RootKeyRow {
  id: string;
  /** A retired key is not used any more, even where it is still configured. */
  state: 'current' | 'retired';
  /** When it was first proved. It is published from then on. */
  added_at: Date;
  /** When a service last could sign access tokens with it; null if none ever did. */
  last_signed_at: Date | null;
  /** Since when nothing in the database depends on it; backups made earlier need it. */
  unused_since: Date | null;
  retired_at: Date | null;
  seal: Buffer;
}

export const root_keys: SealedTableOf<RootKeyRow, never> = {
  table: 'root_keys',
  key: ['id'],
  sealed: {
    id: 'text',
    state: 'text',
    added_at: 'time',
    last_signed_at: 'time',
    unused_since: 'time',
    retired_at: 'time',
  },
  unsealed: {},
};
