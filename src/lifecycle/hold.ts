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

export type Hold = ReturnType<typeof createHold>;

/**
 * Since a restore, much may be due at the same moment that would have happened one after the other. Whatever deletes for good
 * because time has passed asks `isHeld` first, and does nothing until an operator has looked at what is due.
 */
export const createHold = ({ db, seals, clock, audit, mutate }: Deps) => {
  const unreleased = (tx: Db): Promise<RestoreRow[]> =>
    seals.load(tx, 'restores', { released_at: null }, { orderBy: sql`id`, lock: 'update' });

  const holds = async (tx: Db, table: 'restores' | 'holds'): Promise<boolean> => {
    const { rows } = await sql<RawRow>`select * from ${sql.table(`public.${table}`)}`.execute(tx);
    return rows.some((row) => !seals.isIntact(table, row) || row['released_at'] === null);
  };

  return {
    /** Whether nothing may be deleted because of its age. A row that was changed holds too. */
    isHeld: (tx: Tx): Promise<boolean> => holds(tx, 'restores'),

    /** Whether nothing may happen because its time has come, since the clock was set ahead. A row that was changed holds too. */
    isClockHeld: (tx: Tx): Promise<boolean> => holds(tx, 'holds'),

    /** The restores that hold. */
    held: async (): Promise<readonly HeldRestore[]> =>
      (await mapDbErrors(seals.load(db, 'restores', { released_at: null }, { orderBy: sql`id` }))).map((row) => ({
        id: row.id,
        backupCreatedAt: row.backup_created_at,
        restoredAt: row.restored_at,
      })),

    /** Lets what is due happen from now on. Resolves to how many restores and jumps of the clock it released. The operator only. */
    release: (caller: Caller): Promise<number> =>
      mutate(caller, async (tx) => {
        const rows = await unreleased(tx);
        const jumps = await seals.load(tx, 'holds', { released_at: null }, { orderBy: sql`id`, lock: 'update' });
        for (const row of rows) await seals.update(tx, 'restores', row, { released_at: clock.now() });
        for (const row of jumps) await seals.update(tx, 'holds', row, { released_at: clock.now() });
        const details = { restores: rows.map(({ id }) => id), clock_jumps: jumps.length };
        const count = rows.length + jumps.length;
        if (count > 0) await audit.allow(tx, caller, 'backup.release', { details });
        return { ok: count };
      }),
  };
};
