import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { type DeliveryId, newId, type WebhookId } from '../core/ids.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { WebhookDeliveryRow, WebhookRow } from '../db/tables/index.ts';
import type { Addresses } from './address.ts';
import { newDelivery } from './fan-out.ts';
import { manages, type OpenWebhook, type RefuseBound } from './managed.ts';
import { payloadOf } from './payload.ts';
import type { DeliveryState, WebhookQueries } from './queries.ts';
import { webhookTarget } from './webhook.ts';

/** A delivery as the webhook's owner sees it, without what is sent. */
export type DeliveryView = Pick<
  WebhookDeliveryRow,
  'id' | 'event_id' | 'event_type' | 'state' | 'attempts' | 'last_status' | 'last_error' | 'created_at' | 'delivered_at'
> & {
  /** Null unless another attempt will be made. */
  readonly next_attempt_at: Date | null;
};

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly queries: WebhookQueries;
  readonly addresses: Pick<Addresses, 'hostOf'>;
  readonly openWebhook: OpenWebhook;
  readonly refuseBound: RefuseBound;
  readonly nudge: () => void;
}

const maxWaitingTests = 10;
const testType = 'webhook.test';

const viewOfDelivery = (row: WebhookDeliveryRow): DeliveryView => ({
  id: row.id,
  event_id: row.event_id,
  event_type: row.event_type,
  state: row.state,
  attempts: row.attempts,
  next_attempt_at: row.state === 'pending' ? row.next_attempt_at : null,
  last_status: row.last_status,
  last_error: row.last_error,
  created_at: row.created_at,
  delivered_at: row.delivered_at,
});

const isOff = ({ state }: WebhookRow): KeyholdError | null =>
  state === 'active' ? null : new KeyholdError('state_conflict', 'This webhook is off. Switch it on first.');

/** What was and will be sent to a webhook. */
export const createDeliveries = (deps: Deps) => {
  const { db, clock, audit, queries, addresses, openWebhook, refuseBound, nudge } = deps;
  const { hostOf } = addresses;

  /** Once the change is committed, the delivery is attempted at once. */
  const andDeliver = async (change: Promise<DeliveryView>): Promise<DeliveryView> => {
    const view = await change;
    nudge();
    return view;
  };

  return {
    /** A page of a webhook's deliveries, newest first, in one state where it is named. Throws `not_found`. */
    listDeliveries: async (
      caller: Caller,
      id: WebhookId,
      { state, ...page }: Page & { readonly state: DeliveryState | null },
    ): Promise<Paged<DeliveryView>> => {
      await refuseBound(caller);
      const webhook = await mapDbErrors(queries.byId(db, id));
      if (!webhook || !manages(caller, webhook)) throw notFound();
      const rows = await mapDbErrors(queries.deliveries(db, id, page, state));
      const { items, next_cursor } = pageOf(rows, page.limit, (row) => row.id);
      return { items: items.map(viewOfDelivery), next_cursor };
    },

    /**
     * Has a delivery attempted again, with the same id and the same bytes, however its attempts ended. Throws `not_found`,
     * and `state_conflict` while the webhook is off.
     */
    redeliver: (caller: Caller, id: WebhookId, deliveryId: DeliveryId): Promise<DeliveryView> =>
      andDeliver(
        openWebhook(caller, id, 'webhook.redeliver', async ({ tx, row: webhook, refuse }) => {
          const off = isOff(webhook);
          if (off) return await refuse(off);
          const row = await queries.lockDelivery(tx, id, deliveryId);
          if (!row) return await refuse(notFound());
          const now = clock.now();
          await queries.makeDue(tx, deliveryId, hostOf(webhook.url), now);
          const details = { delivery_id: deliveryId };
          await audit.allow(tx, caller, 'webhook.redeliver', { target: webhookTarget(id), details });
          const due = { state: 'pending', attempts: 0, next_attempt_at: now, delivered_at: null } as const;
          return { ok: viewOfDelivery({ ...row, ...due }) };
        }),
      ),

    /** Sends an event of type `webhook.test`. Throws `not_found`, and `state_conflict` while off or while tests wait. */
    test: (caller: Caller, id: WebhookId): Promise<DeliveryView> =>
      andDeliver(
        openWebhook(caller, id, 'webhook.test', async ({ tx, row: webhook, refuse }) => {
          const off = isOff(webhook);
          if (off) return await refuse(off);
          if ((await queries.countWaitingTests(tx, id)) >= maxWaitingTests)
            return await refuse(new KeyholdError('state_conflict', 'Tests of this webhook are waiting already.'));
          const now = clock.now();
          const event = {
            event_id: newId<string>(),
            event_row_id: null,
            event_type: testType,
            secret_id: null,
            position: 0,
          };
          const payload = payloadOf(testType, now, { webhook_id: id });
          const delivery = newDelivery(webhook, event, { payload, now, hostOf });
          const details = { delivery_id: delivery.id };
          const entry = { action: 'webhook.test', target: webhookTarget(id), outcome: 'allowed', details } as const;
          await audit.insert(tx, [{ table: 'webhook_deliveries', rows: [delivery] }], [{ actor: caller, entry }]);
          return { ok: viewOfDelivery({ ...delivery, seal: Buffer.alloc(0) }) };
        }),
      ),
  };
};
