import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { SecretId, UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { scanRows } from '../db/scan.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import { createErasing } from './erase.ts';
import { deactivate, unshareWith } from './secret.ts';

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

/**
 * Takes access to secrets away without asking who may do so, for a database that was restored. Each function resolves to
 * false where there is no such intact secret, which then gives access to nobody.
 */
export const createSecretWithdrawals = ({ seals, clock }: Deps) => {
  const change = async (
    tx: Tx,
    id: SecretId,
    changesOf: (row: SecretRow) => Partial<SecretRow> | null,
  ): Promise<boolean> => {
    const row = await seals.loadOne(tx, 'secrets', { id }, { lock: 'update' });
    if (row === null) return false;
    const changes = changesOf(row);
    if (changes !== null) await write(tx, row, changes);
    return true;
  };

  const write = (tx: Tx, row: SecretRow, changes: Partial<SecretRow>): Promise<SecretRow> =>
    seals.update(tx, 'secrets', row, { ...changes, revision: row.revision + 1, updated_at: clock.now() });

  return {
    unshare: (tx: Tx, id: SecretId, userId: UserId) => change(tx, id, (row) => unshareWith(row, userId)),
    deactivate: (tx: Tx, id: SecretId) => change(tx, id, deactivate),
    /** Deletes softly. */
    remove: (tx: Tx, id: SecretId) => change(tx, id, (row) => ({ deleted_at: row.deleted_at ?? clock.now() })),
    allowUseOnly: (tx: Tx, id: SecretId) => change(tx, id, () => ({ exposure: 'use' })),
    /** Never moves an expiry away. One that is not known is taken to be past. */
    expire: (tx: Tx, id: SecretId, at: Date | undefined) =>
      change(tx, id, ({ expires_at }) => {
        if (at === undefined) return deactivate();
        return expires_at === null || expires_at.getTime() > at.getTime() ? { expires_at: at } : null;
      }),
    /** Leaves a secret to its owner alone. One in a session is deactivated, since its owner may have another of its name. */
    leaveToOwner: (tx: Tx, id: SecretId) =>
      change(tx, id, ({ scope }) => (scope === 'session' ? deactivate() : { scope: 'user', shared_with: [] })),
    /** Erases it with its versions. */
    purge: async (tx: Tx, id: SecretId): Promise<boolean> => {
      const row = await seals.loadOne(tx, 'secrets', { id }, { lock: 'update' });
      if (row !== null) await seals.remove(tx, 'secrets', [row]);
      return row !== null;
    },
    erasing: createErasing({ clock, seals }),
    /** Takes everybody off every secret that is shared. Resolves to how many there were. */
    unshareAll: async (tx: Tx): Promise<number> => {
      await sql`lock table public.secrets in exclusive mode`.execute(tx);
      let count = 0;
      for await (const rows of scanRows(tx, 'secrets')) {
        for (const row of seals.verify('secrets', rows, { scope: 'shared' })) {
          await write(tx, row, { scope: 'user', shared_with: [] });
          count += 1;
        }
      }
      return count;
    },
  };
};
