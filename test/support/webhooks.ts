import { vi } from 'vitest';
import { newId, type SecretId, type UserId, type WebhookId } from '../../src/core/ids.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createPositions, type NewEvent } from '../../src/events/index.ts';
import { createSeals, createWebhookSecrets } from '../../src/keys/index.ts';
import type { TestApp } from './app.ts';
import { expectStatus, type Person } from './people.ts';

export interface MadeWebhook {
  readonly id: string;
  readonly secret: string;
}

/** What tests tell of, and nothing that happens besides. */
const event_types = ['secret.deleted', 'secret.purged', 'secret.updated', 'integrity.broken'];

export const addWebhook = async (
  person: Person,
  url: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<MadeWebhook> =>
  expectStatus(await person.call('POST', '/webhooks', { body: { url, event_types, ...more } }), 201).body;

const origin = { requestId: 'test', ip: null, userAgent: null };

/** Tells people of events, and gives these their positions. */
export const tell = async (app: TestApp, ...tells: readonly NewEvent[]): Promise<void> => {
  const { domains } = app.app;
  const { db } = app.db;
  await inTransaction(db, (tx) =>
    domains.audit.record(
      tx,
      { origin, userId: null },
      { action: 'request.refused', outcome: 'refused', reason: 'internal', tells },
    ),
  );
  await givePositions(app);
};

const givePositions = async ({ app, db: { db } }: TestApp): Promise<void> => {
  const { webhooks } = app.domains;
  const seals = createSeals(() => app.keys.held().sealKeys);
  while ((await createPositions({ db, seals, fanOut: webhooks.fanOut })()) > 0);
  webhooks.nudge();
};

/** An event about a secret, of a kind that is told to those who have no access to it any more. */
export const eventFor = (to: readonly Person[], more: Partial<NewEvent> = {}): NewEvent => ({
  type: 'secret.deleted',
  to: to.map(({ id }) => id as UserId),
  secret: { id: newId<SecretId>(), revision: 1 },
  ...more,
});

export const deliveriesOf = async (person: Person, { id }: Pick<MadeWebhook, 'id'>, state?: string): Promise<any[]> => {
  const query = state === undefined ? '' : `&state=${state}`;
  return expectStatus(await person.call('GET', `/webhooks/${id}/deliveries?limit=200${query}`), 200).body.deliveries;
};

/** Waits until a webhook has this many deliveries that satisfy the condition. */
export const untilDeliveries = (
  person: Person,
  webhook: Pick<MadeWebhook, 'id'>,
  count: number,
  holds: (delivery: any) => boolean,
): Promise<any[]> =>
  vi.waitFor(
    async () => {
      const all = await deliveriesOf(person, webhook);
      const found = all.filter(holds);
      if (found.length < count) throw new Error(`not yet: ${JSON.stringify(all.slice(0, 5))}`);
      return found;
    },
    { timeout: 60_000, interval: 50 },
  );

/** A webhook as somebody with the service's keys could have written it, with an address that the service refuses. */
export const storeWebhook = async (app: TestApp, person: Person, url: string): Promise<Pick<MadeWebhook, 'id'>> => {
  const id = newId<WebhookId>();
  const now = app.clock.now();
  const lookupKey = app.app.keys.held().lookupKey;
  await createSeals(() => app.app.keys.held().sealKeys).insert(app.db.db, 'webhooks', {
    id,
    owner_id: person.id as UserId,
    url,
    event_types,
    state: 'active',
    off_reason: null,
    secret: createWebhookSecrets(lookupKey, app.clock).encrypt(id, Buffer.alloc(32, 1)),
    previous_secret: null,
    previous_until: null,
    revision: 1,
    created_at: now,
    updated_at: now,
  });
  return { id };
};
