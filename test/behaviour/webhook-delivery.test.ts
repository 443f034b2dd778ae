import { describe, expect, it } from 'vitest';
import { newId, type SecretId } from '../../src/core/ids.ts';
import { startApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus } from '../support/people.ts';
import { answerWith, hang, sentAt, verified, verifies } from '../support/receiver.ts';
import { useWebhookWorld } from '../support/webhook-world.ts';
import { addWebhook, deliveriesOf, eventFor, tell, untilDeliveries } from '../support/webhooks.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const world = useWebhookWorld();
const isDelivered = ({ state }: { state: string }): boolean => state === 'delivered';
const attempted = (count: number) => (delivery: any) => delivery.attempts === count;

/** Moves the clock, and has the service look at what is due then. */
const pass = (ms: number): void => {
  world.app.clock.advance(ms);
  world.app.app.domains.webhooks.nudge();
};

describe('an event', () => {
  it('an event reaches the webhooks of its user that want its type, signed, and nobody else’s', async () => {
    const { app, ada, receiver } = world;
    const grace = await world.newPerson();
    const wanted = await addWebhook(ada, receiver.url, { event_types: ['secret.deleted'] });
    const unwanted = await addWebhook(ada, receiver.url, { event_types: ['secret.updated'] });
    const hers = await addWebhook(grace, receiver.url);
    const event = eventFor([ada]);
    await tell(app, event);
    await untilDeliveries(ada, wanted, 1, isDelivered);
    expect(await deliveriesOf(ada, unwanted)).toEqual([]);
    expect(await deliveriesOf(grace, hers)).toEqual([]);
    const [one] = receiver.received;
    if (!one) throw new Error('nothing came');
    expect(verified(wanted.secret, one)).toMatchObject({
      type: 'secret.deleted',
      timestamp: app.clock.now().toISOString(),
      data: { secret: { id: event.secret?.id }, revision: 1 },
    });
    expect(verifies(hers.secret, one)).toBe(false);
    expect(one.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Keyhold' });
    await tell(app, eventFor([grace]));
    await untilDeliveries(grace, hers, 1, isDelivered);
    expect(receiver.received).toHaveLength(2);
  });

  it('a webhook of the service gets every event once, as ids without names', async () => {
    const { app, admin, ada, receiver } = world;
    const grace = await world.newPerson();
    const all = await addWebhook(admin, receiver.url, { service: true });
    const event = eventFor([ada, grace]);
    await tell(app, event, eventFor([], { type: 'integrity.broken' }));
    await untilDeliveries(admin, all, 2, isDelivered);
    const told = receiver.received.map((one) => verified(all.secret, one));
    expect(told.map(({ type }) => type).sort()).toEqual(['integrity.broken', 'secret.deleted']);
    const { data } = told.find(({ type }) => type === 'secret.deleted');
    expect(data).toEqual({ actor: null, secret: { id: event.secret?.id }, session: null, revision: 1, details: {} });
    expectStatus(await admin.call('DELETE', `/webhooks/${all.id}`), 204);
  });

  it('first attempts about one secret are made in order, and one that failed holds up none of the later ones', async () => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    const id = newId<SecretId>();
    receiver.answer((request, response, one) =>
      answerWith(JSON.parse(one.body).data.revision === 1 ? 500 : 204)(request, response, one),
    );
    await tell(app, ...[1, 2, 3, 4, 5].map((revision) => eventFor([ada], { secret: { id, revision } })));
    await untilDeliveries(ada, webhook, 4, isDelivered);
    expect(receiver.received.map(({ body }) => JSON.parse(body).data.revision)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('a receiver that fails', () => {
  it('each attempt has the same id and bytes, and a timestamp and signature of its own, weeks later too', async () => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    receiver.answer(answerWith(500));
    await tell(app, eventFor([ada], { details: { odd: '🔑\u2028e\u0301' } }));
    await untilDeliveries(ada, webhook, 1, attempted(1));
    pass(10 * second);
    await untilDeliveries(ada, webhook, 1, attempted(2));
    pass(day);
    receiver.answer(answerWith(204));
    pass(second);
    const [delivered] = await untilDeliveries(ada, webhook, 1, isDelivered);
    pass(21 * day);
    expectStatus(await ada.call('POST', `/webhooks/${webhook.id}/deliveries/${delivered.id}/redeliver`), 200);
    await receiver.until(4);
    const [first, ...later] = receiver.received;
    if (!first) throw new Error('nothing came');
    for (const one of receiver.received) expect(verifies(webhook.secret, one)).toBe(true);
    for (const one of later) {
      expect([one.headers['webhook-id'], one.body]).toEqual([first.headers['webhook-id'], first.body]);
      expect(sentAt(one)).toBeGreaterThan(sentAt(first));
      expect(one.headers['webhook-signature']).not.toBe(first.headers['webhook-signature']);
    }
    expect(first.headers['webhook-id']).toBe(delivered.event_id);
  });

  it('retries come later and later over days, then the delivery is dead, and can be sent again', async () => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    receiver.answer(answerWith(500));
    await tell(app, eventFor([ada]));
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      const [{ next_attempt_at }] = await untilDeliveries(ada, webhook, 1, attempted(attempt));
      waits.push(new Date(next_attempt_at).getTime() - app.clock.now().getTime());
      pass(waits.at(-1) ?? 0);
    }
    const [dead] = await untilDeliveries(ada, webhook, 1, ({ state }) => state === 'dead');
    const schedule = [5 * second, 30 * second, 2 * minute, 10 * minute, ...[1, 3, 6, 12, 24, 24].map((h) => h * hour)];
    for (const [at, wait] of schedule.entries()) {
      expect(waits[at]).toBeGreaterThanOrEqual(wait);
      expect(waits[at]).toBeLessThanOrEqual(1.25 * wait);
    }
    expect(dead).toMatchObject({ attempts: 11, last_status: 500, last_error: 'status', next_attempt_at: null });
    expect(await deliveriesOf(ada, webhook, 'dead')).toHaveLength(1);
    receiver.answer(answerWith(204));
    expectStatus(await ada.call('POST', `/webhooks/${webhook.id}/deliveries/${dead.id}/redeliver`), 200);
    await untilDeliveries(ada, webhook, 1, isDelivered);
    expect(JSON.stringify(await deliveriesOf(ada, webhook))).not.toContain('own words');
  });

  it.each([429, 503])('a receiver that answers %i is left alone for as long as it asks', async (status) => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    receiver.answer(answerWith(status, { 'retry-after': '3600' }));
    await tell(app, eventFor([ada]));
    const [{ next_attempt_at }] = await untilDeliveries(ada, webhook, 1, attempted(1));
    expect(new Date(next_attempt_at).getTime() - app.clock.now().getTime()).toBe(hour);
    receiver.answer(answerWith(500, { 'retry-after': '3600' }));
    pass(hour);
    const [again] = await untilDeliveries(ada, webhook, 1, attempted(2));
    expect(new Date(again.next_attempt_at).getTime() - app.clock.now().getTime()).toBeLessThan(hour);
  });

  it('a redirect is a failure, and its target is never contacted', async () => {
    const { app, ada, receiver, other } = world;
    const webhook = await addWebhook(ada, receiver.url);
    const before = other.connections();
    receiver.answer(answerWith(307, { location: other.url }));
    await tell(app, eventFor([ada]));
    await untilDeliveries(ada, webhook, 1, (one) => one.last_status === 307 && one.state === 'pending');
    expect(other.connections()).toBe(before);
  });

  it('a receiver that answers 410 has its webhook switched off and its owner told', async () => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    receiver.answer(answerWith(410));
    await tell(app, eventFor([ada]));
    await untilDeliveries(ada, webhook, 1, ({ state }) => state === 'dead');
    expect((await ada.call('GET', `/webhooks/${webhook.id}`)).body).toMatchObject({ state: 'off', off_reason: 'gone' });
    const { rows } = await app.database.client.query(
      "select details from events where type = 'webhook.disabled' and user_id = $1",
      [ada.id],
    );
    expect(rows).toEqual([{ details: { webhook_id: webhook.id } }]);
    await tell(app, eventFor([ada]));
    expect(await deliveriesOf(ada, webhook)).toHaveLength(1);
    receiver.answer(answerWith(204));
    expectStatus(await ada.call('PATCH', `/webhooks/${webhook.id}`, { body: { state: 'active' } }), 200);
    await tell(app, eventFor([ada]));
    await untilDeliveries(ada, webhook, 1, isDelivered);
  });

  it('a webhook whose address was changed stays on when the former receiver answers that it is gone', async () => {
    const { app, ada, receiver, other } = world;
    const webhook = await addWebhook(ada, receiver.url);
    let answerGone = (): void => undefined;
    receiver.answer((_request, response) => {
      answerGone = () => void response.writeHead(410).end();
    });
    await tell(app, eventFor([ada]));
    await receiver.until(1);
    expectStatus(await ada.call('PATCH', `/webhooks/${webhook.id}`, { body: { url: other.url } }), 200);
    answerGone();
    await untilDeliveries(ada, webhook, 1, ({ state }) => state === 'dead');
    expect((await ada.call('GET', `/webhooks/${webhook.id}`)).body).toMatchObject({ state: 'active' });
    await tell(app, eventFor([ada]));
    await other.until(1);
  });

  it('a receiver that hangs delays nobody else, with however much that waits for it', async () => {
    const { app, ada, receiver, other } = world;
    const slow = await addWebhook(ada, receiver.url);
    receiver.answer(hang);
    await tell(app, ...Array.from({ length: 60 }, () => eventFor([ada])));
    await receiver.until(4);
    const quick = await addWebhook(ada, other.url);
    await tell(app, ...Array.from({ length: 20 }, () => eventFor([ada])));
    await untilDeliveries(ada, quick, 20, isDelivered);
    // The attempts that hang are not over: so the others did not wait for them.
    expect((await deliveriesOf(ada, slow)).every(attempted(0))).toBe(true);
    expect(receiver.received).toHaveLength(4);
  });
});

describe('several services', () => {
  it('what a service took and never settled is sent by another one, but not before its time', async () => {
    const { app, ada, receiver, other } = world;
    receiver.answer(hang);
    const webhook = await addWebhook(ada, receiver.url);
    const quick = await addWebhook(ada, other.url);
    await tell(app, eventFor([ada], { type: 'secret.purged' }));
    await receiver.until(1);
    receiver.answer(answerWith(204));
    const { database, rootKeys } = app;
    const clock = settableClock(app.clock.now());
    const env = { KEYHOLD_WEBHOOK_ALLOWED_HOSTS: `${receiver.host},${other.host}` };
    const second = await startApp({ database, rootKeys, clock, env });
    try {
      await tell(second, eventFor([ada]));
      await untilDeliveries(ada, quick, 2, isDelivered);
      expect(receiver.received.filter(({ body }) => body.includes('secret.purged'))).toHaveLength(1);
      clock.advance(minute);
      second.app.domains.webhooks.nudge();
      await untilDeliveries(ada, webhook, 2, isDelivered);
      const [taken, again] = receiver.received.filter(({ body }) => body.includes('secret.purged'));
      expect(again?.headers['webhook-id']).toBe(taken?.headers['webhook-id']);
    } finally {
      await second.close();
    }
  });
});
