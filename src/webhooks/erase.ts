import { sql } from 'kysely';
import type { UserId } from '../core/ids.ts';
import type { Purge } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import { notWritten } from '../keys/index.ts';

const ofUser = (id: UserId) => sql`webhook_id in (select id from public.webhooks where owner_id = ${id})`;

/** What a user who is being erased leaves in webhooks. It is deleted with all that is broken in it. */
export const webhooksErasing = {
  /** Deletes what was and would be sent to the user's webhooks. */
  purgeDeliveries: (async (tx, userId, { limit }) => {
    const { numAffectedRows } = await sql`delete from public.webhook_deliveries where id = any(array(
      select id from public.webhook_deliveries where ${ofUser(userId)} limit ${sql.lit(limit)}))`.execute(tx);
    const rows = Number(numAffectedRows ?? 0);
    return { rows, counts: {}, after: rows < limit ? null : 'more' };
  }) satisfies Purge<Tx, UserId>,

  /** Deletes the user's webhooks. Throws `unavailable` if any is left. */
  purgeWebhooks: (async (tx, userId) => {
    const { numAffectedRows } = await sql`delete from public.webhooks where owner_id = ${userId}`.execute(tx);
    const { rows: left } = await sql`select 1 from public.webhooks where owner_id = ${userId} limit 1`.execute(tx);
    if (left.length > 0) throw notWritten('webhooks');
    const rows = Number(numAffectedRows ?? 0);
    return { rows, counts: { webhooks: rows }, after: null };
  }) satisfies Purge<Tx, UserId>,

  /** How many webhooks the user has, and how many deliveries go with them. */
  countForErasing: async (db: Db, userId: UserId): Promise<WebhookCounts> => {
    const { rows } = await sql<WebhookCounts>`select
      (select count(*) from public.webhooks where owner_id = ${userId}) as webhooks,
      (select count(*) from public.webhook_deliveries where ${ofUser(userId)}) as deliveries`.execute(db);
    return rows[0] ?? { webhooks: 0, deliveries: 0 };
  },
};

export interface WebhookCounts {
  readonly webhooks: number;
  readonly deliveries: number;
}
