import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { SecretId, UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { scanRows } from '../db/scan.ts';
import type { HandoverRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import { createQueries } from './queries.ts';

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

/**
 * Ends hand-overs without asking who may do so, for a database that was restored. Each function resolves to false where none
 * is pending, which then gives nothing to anybody.
 */
export const createHandoverWithdrawals = ({ seals, clock }: Deps) => {
  const { purge, countOf: count } = createQueries(seals);

  const cancelAllOf = async (tx: Tx, rows: readonly HandoverRow[]): Promise<boolean> => {
    const changes = { state: 'cancelled', decided_at: clock.now() } as const;
    for (const row of rows) await seals.update(tx, 'handovers', row, changes);
    return rows.length > 0;
  };

  return {
    cancelOffer: async (tx: Tx, secret_id: SecretId): Promise<boolean> =>
      await cancelAllOf(tx, await seals.load(tx, 'handovers', { secret_id, state: 'pending' }, { lock: 'update' })),

    cancelOfUser: async (tx: Tx, from_user: UserId): Promise<boolean> =>
      await cancelAllOf(
        tx,
        await seals.load(tx, 'handovers', { from_user, kind: 'user', state: 'pending' }, { lock: 'update' }),
      ),

    /** Cancels everything that is pending. */
    cancelAll: async (tx: Tx): Promise<void> => {
      await sql`lock table public.handovers in exclusive mode`.execute(tx);
      for await (const rows of scanRows(tx, 'handovers'))
        await cancelAllOf(tx, seals.verify('handovers', rows, { state: 'pending' }));
    },

    erasing: { purge, count },
  };
};
