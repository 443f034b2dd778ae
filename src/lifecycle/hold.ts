import { sql } from 'kysely';
import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { RestoreRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** A restore after which an operator has not yet released what time would delete. */
export interface HeldRestore {
  readonly id: string;
  readonly backupCreatedAt: Date;
  readonly restoredAt: Date;
}

interface Deps {
  readonly db: Db;
  readonly seals: Seals;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly mutate: Mutate;
}

/**
 * Since a restore, much may be due at the same moment that would have happened one after the other. Whatever deletes for good
 * because time has passed asks `isHeld` first, and does nothing until an operator has looked at what is due.
 */
export const createHold = ({ db, seals, clock, audit, mutate }: Deps) => {
  const unreleased = (tx: Db): Promise<RestoreRow[]> =>
    seals.load(tx, 'restores', { released_at: null }, { orderBy: sql`id`, lock: 'update' });

  return {
    /** Whether nothing may be deleted because of its age. A row that was changed holds too. */
    isHeld: async (tx: Tx): Promise<boolean> => {
      const { rows } = await sql<RawRow>`select * from public.restores`.execute(tx);
      return rows.some((row) => !seals.isIntact('restores', row) || row['released_at'] === null);
    },

    /** The restores that hold. */
    held: async (): Promise<readonly HeldRestore[]> =>
      (await mapDbErrors(seals.load(db, 'restores', { released_at: null }, { orderBy: sql`id` }))).map((row) => ({
        id: row.id,
        backupCreatedAt: row.backup_created_at,
        restoredAt: row.restored_at,
      })),

    /** Lets what is due happen from now on. Resolves to how many restores it released. The operator only. */
    release: (caller: Caller): Promise<number> =>
      mutate(caller, async (tx) => {
        const rows = await unreleased(tx);
        for (const row of rows) await seals.update(tx, 'restores', row, { released_at: clock.now() });
        if (rows.length > 0)
          await audit.allow(tx, caller, 'backup.release', { details: { restores: rows.map(({ id }) => id) } });
        return { ok: rows.length };
      }),
  };
};
