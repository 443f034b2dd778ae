import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { WebhookId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { scanRows } from '../db/scan.ts';
import type { WebhookRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

/**
 * Takes webhooks away without asking who may do so, for a database that was restored. Each function for one of them resolves to
 * false where there is no such intact row, which then gets nothing.
 */
export const createWebhookWithdrawals = ({ seals, clock }: Deps) => {
  const lock = (tx: Tx, id: WebhookId): Promise<WebhookRow | null> =>
    seals.loadOne(tx, 'webhooks', { id }, { lock: 'update' });

  const off = async (tx: Tx, row: WebhookRow): Promise<void> => {
    if (row.state === 'off') return;
    const changes = { state: 'off', off_reason: 'requested', revision: row.revision + 1 } as const;
    await seals.update(tx, 'webhooks', row, { ...changes, updated_at: clock.now() });
  };

  return {
    switchOff: async (tx: Tx, id: WebhookId): Promise<boolean> => {
      const row = await lock(tx, id);
      if (row !== null) await off(tx, row);
      return row !== null;
    },
    remove: async (tx: Tx, id: WebhookId): Promise<boolean> => {
      const row = await lock(tx, id);
      if (row !== null) await seals.remove(tx, 'webhooks', [row]);
      return row !== null;
    },
    /** Switches every webhook off. Resolves to how many. */
    switchAllOff: async (tx: Tx): Promise<number> => {
      await sql`lock table public.webhooks in exclusive mode`.execute(tx);
      let count = 0;
      for await (const rows of scanRows(tx, 'webhooks'))
        for (const row of seals.verify('webhooks', rows, { state: 'active' })) {
          await off(tx, row);
          count += 1;
        }
      return count;
    },
  };
};
