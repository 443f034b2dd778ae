import type { Clock } from '../core/clock.ts';
import type { UserId, WebhookId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { WebhookDeliveryRow, WebhookRow } from '../db/tables/index.ts';
import type { Seals, WebhookSecrets } from '../keys/index.ts';
import { type AllowedHosts, type OutboundAnswer, OutboundError, parseTarget, type Send } from '../outbound/index.ts';
import { readRetryAfter } from './back-off.ts';
import type { WebhookQueries } from './queries.ts';
import { signedHeaders } from './signature.ts';
import type { Telling } from './telling.ts';
import { isPreviousValid } from './webhook.ts';

/** What came of one attempt. */
export type AttemptResult =
  | { readonly kind: 'delivered'; readonly status: number }
  | {
      readonly kind: 'failed';
      readonly status: number | null;
      readonly error: string;
      readonly retryAfterMs: number | null;
    }
  /** The receiver at this address is gone for good. */
  | { readonly kind: 'gone'; readonly status: number; readonly webhookId: WebhookId; readonly url: string }
  /** There is nobody to be told any more. */
  | { readonly kind: 'cancelled' }
  /** The service is stopping. */
  | { readonly kind: 'stopped' };

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly queries: Pick<WebhookQueries, 'byId'>;
  readonly secrets: WebhookSecrets;
  readonly telling: Pick<Telling, 'mayTell'>;
  readonly allowedHosts: AllowedHosts;
  readonly send: Send;
}

export type Attempt = (row: WebhookDeliveryRow, stop: AbortSignal) => Promise<AttemptResult>;

const gone = 410;
const busy = [429, 503];
const userAgent = 'Keyhold';

const failed = (error: string): AttemptResult => ({ kind: 'failed', status: null, error, retryAfterMs: null });

/** What an answer means. A redirect is a failure, since it is not followed. */
const resultOf = ({ status, headers }: OutboundAnswer, { id, url }: WebhookRow, now: Date): AttemptResult => {
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  if (status === gone) return { kind: 'gone', status, webhookId: id, url };
  const retryAfterMs = busy.includes(status) ? readRetryAfter(headers['retry-after'], now) : null;
  return { kind: 'failed', status, error: 'status', retryAfterMs };
};

/** Makes one attempt. Whether it may be made is decided again each time, from sealed rows. */
export const createAttempt = (deps: Deps): Attempt => {
  const { db, clock, seals, queries, secrets, telling, allowedHosts, send } = deps;

  /** The webhook, if it still gets this; else null. */
  const webhookFor = async (row: WebhookDeliveryRow): Promise<WebhookRow | null> => {
    const webhook = await queries.byId(db, row.webhook_id);
    if (webhook?.state !== 'active') return null;
    const { owner_id } = webhook;
    if (owner_id === null) return webhook;
    const owner = await seals.loadOne(db, 'users', { id: owner_id, status: 'active' });
    if (owner === null) return null;
    return (await mayTell(row, owner_id)) ? webhook : null;
  };

  /** Whether the webhook's owner may still be told. An event that is not kept any more can be told to nobody. */
  const mayTell = async ({ event_row_id: id }: WebhookDeliveryRow, user_id: UserId): Promise<boolean> => {
    if (id === null) return true;
    const event = await seals.loadOne(db, 'events', { id, user_id });
    return event !== null && (await telling.mayTell(db, event));
  };

  /** The keys that sign now; null where they do not open. */
  const keysOf = (webhook: WebhookRow): Buffer[] | null => {
    const { id, secret, previous_secret } = webhook;
    const previous = previous_secret !== null && isPreviousValid(webhook, clock.now()) ? [previous_secret] : [];
    const keys = [secret, ...previous].map((token) => secrets.decrypt(id, token));
    return keys.every((key) => key !== null) ? keys : null;
  };

  const sendTo = async (
    webhook: WebhookRow,
    { event_id, payload }: WebhookDeliveryRow,
    stop: AbortSignal,
  ): Promise<AttemptResult> => {
    const parsed = parseTarget(webhook.url, allowedHosts);
    if ('refused' in parsed) return failed('address_refused');
    const keys = keysOf(webhook);
    if (keys === null) return failed('secret_broken');
    const body = Buffer.from(payload);
    const signed = signedHeaders({ id: event_id, at: clock.now(), body }, keys);
    const headers = { ...signed, 'content-type': 'application/json', 'user-agent': userAgent };
    try {
      return resultOf(await send(parsed.target, { method: 'POST', headers, body }, stop), webhook, clock.now());
    } catch (error) {
      // Nothing else is known to be thrown by sending. It would come again for ever if it were not counted.
      if (!(error instanceof OutboundError)) return failed('unreachable');
      return error.failure === 'stopped' ? { kind: 'stopped' } : failed(error.failure);
    }
  };

  return async (row, stop) => {
    const webhook = await webhookFor(row);
    return webhook === null ? { kind: 'cancelled' } : await sendTo(webhook, row, stop);
  };
};
