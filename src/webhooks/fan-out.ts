import type { Clock } from '../core/clock.ts';
import { type DeliveryId, newId, type UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { EventRow, WebhookRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import { payloadOf, withoutNames } from './payload.ts';
import type { WebhookQueries } from './queries.ts';
import type { Telling } from './telling.ts';
import { wants } from './webhook.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly queries: Pick<WebhookQueries, 'lockActive'>;
  readonly telling: Pick<Telling, 'describe'>;
  /** Host and port of an address. */
  readonly hostOf: (url: string) => string;
}

/** A delivery that has not been attempted. */
export const newDelivery = (
  { id, url }: Pick<WebhookRow, 'id' | 'url'>,
  event: Pick<Unsealed<'webhook_deliveries'>, 'event_id' | 'event_row_id' | 'event_type' | 'secret_id' | 'position'>,
  { payload, now, hostOf }: { readonly payload: string; readonly now: Date; readonly hostOf: Deps['hostOf'] },
): Unsealed<'webhook_deliveries'> => ({
  id: newId<DeliveryId>(),
  webhook_id: id,
  ...event,
  payload,
  created_at: now,
  state: 'pending',
  attempts: 0,
  next_attempt_at: now,
  attempted_at: null,
  last_status: null,
  last_error: null,
  delivered_at: null,
  host: hostOf(url),
});

/** An event and a webhook that gets it. */
interface Pair {
  readonly event: EventRow;
  readonly webhook: WebhookRow;
}

const pairsOf = (rows: readonly EventRow[], webhooks: readonly WebhookRow[]): Pair[] =>
  rows.flatMap((event) =>
    webhooks
      .filter(({ owner_id }) => (owner_id === null ? event.lead : owner_id === event.user_id))
      .filter((webhook) => wants(webhook, event.type))
      .map((webhook) => ({ event, webhook })),
  );

/**
 * Writes, for events that have their position now, what is sent of them: to the webhooks of the users who are told, and once to
 * those of the service. It is called in the transaction that gives the positions, so that each event is fanned out once.
 */
export const createFanOut =
  ({ clock, seals, queries, telling, hostOf }: Deps) =>
  async (tx: Tx, rows: readonly EventRow[]): Promise<void> => {
    const users = new Set(rows.map(({ user_id }) => user_id).filter((id): id is UserId => id !== null));
    const webhooks = await queries.lockActive(
      tx,
      [...users],
      rows.some(({ lead }) => lead),
    );
    const pairs = pairsOf(rows, webhooks);
    const own = pairs.filter(({ webhook }) => webhook.owner_id !== null).map(({ event }) => event);
    const told = own.length === 0 ? new Map() : await telling.describe(tx, [...new Set(own)]);
    const now = clock.now();
    const deliveries = pairs.flatMap(({ event, webhook }) => {
      const data = webhook.owner_id === null ? withoutNames(event) : told.get(event.id);
      if (data === undefined) return [];
      const { id: event_row_id, event_id, type: event_type, position } = event;
      const of = { event_row_id, event_id, event_type, secret_id: event.secret_id };
      const payload = payloadOf(event_type, event.created_at, data);
      return [newDelivery(webhook, { ...of, position: position ?? 0 }, { payload, now, hostOf })];
    });
    if (deliveries.length > 0) await seals.insertAll(tx, [{ table: 'webhook_deliveries', rows: deliveries }]);
  };
