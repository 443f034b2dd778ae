import { sql } from 'kysely';
import type { DeliveryId, UserId, WebhookId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import type { WebhookDeliveryRow, WebhookRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

export type DeliveryState = WebhookDeliveryRow['state'];

/** All SQL about webhooks and lists of deliveries, bound to the seals that verify what it reads. */
export type WebhookQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => ({
  byId: (db: Db, id: WebhookId): Promise<WebhookRow | null> => seals.loadOne(db, 'webhooks', { id }),

  lock: (tx: Tx, id: WebhookId): Promise<WebhookRow | null> =>
    seals.loadOne(tx, 'webhooks', { id }, { lock: 'update' }),

  /** The webhooks of a user, or of the service; oldest first. */
  ofOwner: (db: Db, owner_id: UserId | null): Promise<WebhookRow[]> =>
    seals.load(db, 'webhooks', { owner_id }, { orderBy: sql`id` }),

  /** Makes creations of webhooks for one owner take turns, so that they are counted. */
  lockCreation: async (tx: Tx, owner_id: UserId | null): Promise<void> => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`webhooks ${owner_id ?? 'service'}`}, 7403117))`.execute(
      tx,
    );
  },

  /** Active webhooks of these users and, where asked for, of the service. They cannot change until the transaction ends. */
  lockActive: async (tx: Tx, users: readonly UserId[], ofService: boolean): Promise<WebhookRow[]> => {
    const options = { orderBy: sql`id`, lock: 'share' } as const;
    const own =
      users.length === 0 ? [] : await seals.load(tx, 'webhooks', { owner_id: users, state: 'active' }, options);
    const ofAll = ofService ? await seals.load(tx, 'webhooks', { owner_id: null, state: 'active' }, options) : [];
    return [...own, ...ofAll];
  },

  lockDelivery: (tx: Tx, webhook_id: WebhookId, id: DeliveryId): Promise<WebhookDeliveryRow | null> =>
    seals.loadOne(tx, 'webhook_deliveries', { id, webhook_id }, { lock: 'update' }),

  /** One row more than the page of a webhook's deliveries, newest first; in one state where it is named. */
  deliveries: (
    db: Db,
    webhook_id: WebhookId,
    { limit, cursor }: Page,
    state: DeliveryState | null,
  ): Promise<WebhookDeliveryRow[]> => {
    const before = cursor === null ? sql`` : sql`and id < ${cursor}`;
    const inState = state === null ? sql`true` : sql`state = ${state}`;
    const holds = (row: WebhookDeliveryRow): boolean =>
      (state === null || row.state === state) && (cursor === null || row.id < cursor);
    const narrow = { sql: sql`${inState} ${before}`, holds };
    return seals.load(db, 'webhook_deliveries', { webhook_id }, { narrow, orderBy: sql`id desc`, limit: limit + 1 });
  },

  /** How many tests of a webhook wait for their first attempt. */
  countWaitingTests: async (db: Db, webhook_id: WebhookId): Promise<number> => {
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from public.webhook_deliveries
      where webhook_id = ${webhook_id} and state = 'pending' and event_row_id is null and attempted_at is null`.execute(
      db,
    );
    return rows[0]?.count ?? 0;
  },

  /** Has a delivery attempted anew from now on. */
  makeDue: async (tx: Tx, id: DeliveryId, host: string, now: Date): Promise<void> => {
    await sql`update public.webhook_deliveries set state = 'pending', attempts = 0, next_attempt_at = ${now},
      delivered_at = null, host = ${host} where id = ${id}`.execute(tx);
  },

  /** Has the deliveries that wait go to where the webhook is now. */
  moveWaiting: async (tx: Tx, webhook_id: WebhookId, host: string): Promise<void> => {
    await sql`update public.webhook_deliveries set host = ${host} where webhook_id = ${webhook_id} and state = 'pending'
      and host <> ${host}`.execute(tx);
  },

  /**
   * Deletes up to `limit` deliveries that were settled or given up and made before `before`; resolves to how many. Broken
   * rows go too, since nothing is ever sent of them.
   */
  trim: async (tx: Tx, before: Date, limit: number): Promise<number> => {
    const { numAffectedRows } = await sql`delete from public.webhook_deliveries where id = any(array(
      select id from public.webhook_deliveries where state <> 'pending' and created_at < ${before}
      order by created_at limit ${sql.lit(limit)} for update skip locked))`.execute(tx);
    return Number(numAffectedRows ?? 0);
  },
});
