import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { dayMs } from '../core/durations.ts';
import type { WebhookId } from '../core/ids.ts';
import type { WebhookRow } from '../db/tables/index.ts';
import type { Seals, WebhookSecrets } from '../keys/index.ts';
import type { Addresses } from './address.ts';
import type { OpenWebhook } from './managed.ts';
import type { WebhookQueries } from './queries.ts';
import { newSigningKey, textOfSigningKey } from './signature.ts';
import { sortedTypes, viewOf, type WebhookView, type WebhookWithSecret, webhookTarget } from './webhook.ts';

export interface ChangeWebhook {
  readonly url?: string;
  readonly event_types?: readonly string[];
  readonly state?: WebhookRow['state'];
}

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly secrets: WebhookSecrets;
  readonly queries: Pick<WebhookQueries, 'moveWaiting'>;
  readonly addresses: Addresses;
  readonly openWebhook: OpenWebhook;
}

const previousKeptMs = dayMs;

/** The row's columns after a change, but for its address. */
const changed = (row: WebhookRow, { event_types = row.event_types, state = row.state }: ChangeWebhook) => ({
  event_types: sortedTypes(event_types),
  state,
  off_reason: state === 'active' ? null : (row.off_reason ?? 'requested'),
});

/** Changing and deleting webhooks. */
export const createChanging = ({ clock, seals, audit, secrets, queries, addresses, openWebhook }: Deps) => ({
  /**
   * Changes where a webhook is sent to, what it gets, and whether it is on. Throws `not_found`, and `invalid_request` for
   * an address that webhooks must not have.
   */
  change: async (caller: Caller, id: WebhookId, input: ChangeWebhook): Promise<WebhookView> => {
    const url = input.url === undefined ? null : await addresses.check(input.url);
    return await openWebhook(caller, id, 'webhook.change', async ({ tx, row, refuse }) => {
      if (url !== null && 'refused' in url) return await refuse(url.refused);
      const revision = row.revision + 1;
      const now = clock.now();
      const changes = { ...changed(row, input), url: url?.ok ?? row.url, revision, updated_at: now };
      const written = await seals.update(tx, 'webhooks', row, changes);
      if (url !== null) await queries.moveWaiting(tx, id, addresses.hostOf(written.url));
      const state = input.state === undefined ? {} : { state: input.state };
      const details = { revision, fields: Object.keys(input).sort(), ...state };
      await audit.allow(tx, caller, 'webhook.change', { target: webhookTarget(id), details });
      return { ok: viewOf(written, now) };
    });
  },

  /** Deletes a webhook with its deliveries. Nothing but an attempt under way is sent to it once this is answered. */
  remove: (caller: Caller, id: WebhookId): Promise<void> =>
    openWebhook(caller, id, 'webhook.delete', async ({ tx, row }) => {
      await seals.remove(tx, 'webhooks', [row]);
      await audit.allow(tx, caller, 'webhook.delete', { target: webhookTarget(id), details: {} });
      return { ok: undefined };
    }),

  /** Replaces the secret; the new one is shown this once. The one before signs as well for 24 hours, if it is kept. */
  rotateSecret: (caller: Caller, id: WebhookId, keepPrevious: boolean): Promise<WebhookWithSecret> =>
    openWebhook(caller, id, 'webhook.rotate_secret', async ({ tx, row }) => {
      const key = newSigningKey();
      const now = clock.now();
      const revision = row.revision + 1;
      const written = await seals.update(tx, 'webhooks', row, {
        secret: secrets.encrypt(id, key),
        previous_secret: keepPrevious ? row.secret : null,
        previous_until: keepPrevious ? new Date(now.getTime() + previousKeptMs) : null,
        revision,
        updated_at: now,
      });
      const details = { revision, keep_previous: keepPrevious };
      await audit.allow(tx, caller, 'webhook.rotate_secret', { target: webhookTarget(id), details });
      return { ok: { ...viewOf(written, now), secret: textOfSigningKey(key) } };
    }),
});
