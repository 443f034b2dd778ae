import { type RawBuilder, sql } from 'kysely';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { DeliveryId } from '../core/ids.ts';
import { type Db, inTransaction } from '../db/database.ts';
import type { WebhookDeliveryRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import type { AttemptResult } from './attempt.ts';
import { delayAfter } from './back-off.ts';
import type { WebhookQueries } from './queries.ts';
import { webhookTarget } from './webhook.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly queries: Pick<WebhookQueries, 'lock'>;
}

type Gone = Extract<AttemptResult, { kind: 'gone' }>;

type Settle = (row: WebhookDeliveryRow, result: AttemptResult) => Promise<void>;

/** Writes what came of attempts. */
export const createSettle = ({ db, clock, seals, audit, queries }: Deps) => {
  /** Changes a delivery that is still ours: not one that another process has taken since, or that was asked for again. */
  const write = async ({ id, next_attempt_at }: WebhookDeliveryRow, changes: RawBuilder<unknown>): Promise<void> => {
    await sql`update public.webhook_deliveries set ${changes} where id = ${id} and state = 'pending'
      and next_attempt_at = ${next_attempt_at}`.execute(db);
  };

  const attempted = (row: WebhookDeliveryRow, status: number | null, error: string | null): RawBuilder<unknown> =>
    sql`attempts = ${row.attempts + 1}, attempted_at = coalesce(attempted_at, ${clock.now()}), last_status = ${status},
      last_error = ${error}`;

  const failed = async (
    row: WebhookDeliveryRow,
    { status, error, retryAfterMs }: Extract<AttemptResult, { kind: 'failed' }>,
  ): Promise<void> => {
    const delay = delayAfter(row.attempts + 1, retryAfterMs, Math.random());
    const next =
      delay === null ? sql`state = 'dead'` : sql`next_attempt_at = ${new Date(clock.now().getTime() + delay)}`;
    await write(row, sql`${attempted(row, status, error)}, ${next}`);
  };

  /** Switches a webhook off whose receiver is gone, and tells its owner. One that has another address by now stays on. */
  const switchOff = ({ webhookId: id, url }: Gone, deliveryId: DeliveryId): Promise<void> =>
    inTransaction(db, async (tx) => {
      const webhook = await queries.lock(tx, id);
      if (webhook?.state !== 'active' || webhook.url !== url) return;
      const now = clock.now();
      const changes = { state: 'off', off_reason: 'gone', revision: webhook.revision + 1, updated_at: now } as const;
      await seals.update(tx, 'webhooks', webhook, changes);
      const to = webhook.owner_id === null ? [] : [webhook.owner_id];
      const origin = { requestId: deliveryId, ip: null, userAgent: null };
      await audit.record(
        tx,
        { origin, userId: webhook.owner_id },
        {
          action: 'webhook.change',
          target: webhookTarget(id),
          outcome: 'allowed',
          reason: 'gone',
          details: { revision: changes.revision, fields: ['state'], state: 'off' },
          tells: [{ type: 'webhook.disabled', to, details: { webhook_id: id } }],
        },
      );
    });

  const settle: Settle = async (row, result) => {
    switch (result.kind) {
      case 'delivered':
        return await write(
          row,
          sql`${attempted(row, result.status, null)}, state = 'delivered', delivered_at = ${clock.now()}`,
        );
      case 'failed':
        return await failed(row, result);
      case 'gone':
        await switchOff(result, row.id);
        return await write(row, sql`${attempted(row, result.status, 'gone')}, state = 'dead'`);
      case 'cancelled':
        return await write(row, sql`state = 'cancelled'`);
      case 'stopped':
        return await write(row, sql`next_attempt_at = ${clock.now()}`);
    }
  };

  return {
    settle,
    /** Gives up deliveries whose rows were changed by somebody else. */
    giveUp: async (ids: readonly DeliveryId[]): Promise<void> => {
      if (ids.length === 0) return;
      await sql`update public.webhook_deliveries set state = 'cancelled' where id = any(${ids}::uuid[])`.execute(db);
    },
  };
};
