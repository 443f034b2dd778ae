import { describe, expect, it } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { expectStatus, keepSecret, logIn, password, startSession } from '../support/people.ts';
import { answerWith, hang, verified, verifies } from '../support/receiver.ts';
import { useWebhookWorld } from '../support/webhook-world.ts';
import { addWebhook, deliveriesOf, eventFor, tell, untilDeliveries } from '../support/webhooks.ts';

const hour = 3_600_000;
const day = 24 * hour;

const world = useWebhookWorld();
const isDelivered = ({ state }: { state: string }): boolean => state === 'delivered';
const isCancelled = ({ state }: { state: string }): boolean => state === 'cancelled';

describe('a webhook', () => {
  it('the secret is shown when a webhook is made, not to a repeated request, and is stored encrypted', async () => {
    const { app, ada, receiver } = world;
    const headers = { 'idempotency-key': 'once' };
    const create = () => ada.call('POST', '/webhooks', { headers, body: { url: receiver.url } });
    const made = expectStatus(await create(), 201).body;
    expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const again = expectStatus(await create(), 201).body;
    expect([again.id, again.secret]).toEqual([made.id, undefined]);
    expect((await ada.call('GET', '/webhooks')).text).not.toContain('whsec_');
    const { rows } = await app.database.client.query('select * from webhooks where id = $1', [made.id]);
    expect(JSON.stringify(rows)).not.toContain(made.secret.slice(6, 30));
    expect(rows[0].secret).not.toContain(
      Buffer.from(made.secret.slice(6), 'base64').toString('base64url').slice(0, 20),
    );
  });

  it('a user has 20 webhooks at most, also when they are made at the same time', async () => {
    const { ada, receiver } = world;
    const make = async () => (await ada.call('POST', '/webhooks', { body: { url: receiver.url } })).status;
    const statuses = await Promise.all(Array.from({ length: 24 }, make));
    expect(statuses.toSorted()).toEqual([...Array(20).fill(201), ...Array(4).fill(409)]);
    const [{ id }] = (await ada.call('GET', '/webhooks')).body.webhooks;
    expectStatus(await ada.call('DELETE', `/webhooks/${id}`), 204);
    expect(await make()).toBe(201);
  });

  it('nobody but its owner can see, change or use a webhook, not even an administrator', async () => {
    const { admin, ada, receiver } = world;
    const grace = await world.newPerson();
    const { id } = await addWebhook(ada, receiver.url);
    const requests = [
      ['GET', ''],
      ['PATCH', '', { state: 'off' }],
      ['GET', '/deliveries'],
      ['POST', '/test'],
      ['POST', '/rotate-secret', {}],
      ['DELETE', ''],
    ] as const;
    for (const [method, path, body] of requests) {
      const send = (who: typeof ada) => who.call(method, `/webhooks/${id}${path}`, body ? { body } : {});
      for (const who of [grace, admin]) expect([method, path, (await send(who)).status]).toEqual([method, path, 404]);
      if (method === 'PATCH') continue;
      expect((await send(ada)).status).toBeLessThan(300);
    }
  });

  it('a token that is bound to a session cannot have the user’s events sent somewhere', async () => {
    const { app, ada, receiver } = world;
    const login = await logIn(app, ada.username, password);
    const session_id = (await startSession(login)).id;
    const token = async (more: object) => {
      const body = { name: 'of an agent', permissions: ['webhooks:manage'], expires_in: 3600, ...more };
      return login.with(expectStatus(await login.call('POST', '/auth/tokens', { body }), 201).body.token);
    };
    const body = { url: receiver.url };
    const refused = expectStatus(await (await token({ session_id })).call('POST', '/webhooks', { body }), 403).body;
    expect(refused.code).toBe('permission_missing');
    expectStatus(await (await token({})).call('POST', '/webhooks', { body }), 201);
  });

  it('a test is delivered, and ten that wait are enough', async () => {
    const { ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    expectStatus(await ada.call('POST', `/webhooks/${webhook.id}/test`), 200);
    await untilDeliveries(ada, webhook, 1, isDelivered);
    const [one] = receiver.received;
    if (!one) throw new Error('nothing came');
    expect(verified(webhook.secret, one)).toMatchObject({ type: 'webhook.test', data: { webhook_id: webhook.id } });
    receiver.answer(hang);
    const send = async () => (await ada.call('POST', `/webhooks/${webhook.id}/test`)).status;
    for (let sent = 0; sent < 10; sent += 1) expect(await send()).toBe(200);
    expect(await send()).toBe(409);
    receiver.answer(answerWith(204));
    receiver.drop();
    await untilDeliveries(ada, webhook, 1 + 6, isDelivered);
    expect(await send()).toBe(200);
  });
});

describe('a new secret', () => {
  const attempts = async (keep_previous: boolean) => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    const rotated = expectStatus(
      await ada.call('POST', `/webhooks/${webhook.id}/rotate-secret`, { body: { keep_previous } }),
      200,
    ).body;
    await tell(app, eventFor([ada]));
    await receiver.until(1);
    return { webhook, old: webhook.secret, secret: rotated.secret as string };
  };

  it('for a day, what is sent verifies by the new secret and by the one before, and then by the new one alone', async () => {
    const { app, ada, receiver } = world;
    const { webhook, old, secret } = await attempts(true);
    app.clock.advance(day - hour);
    await tell(app, eventFor([ada]));
    await receiver.until(2);
    for (const one of receiver.received) expect([verifies(old, one), verifies(secret, one)]).toEqual([true, true]);
    app.clock.advance(hour);
    expect((await ada.call('GET', `/webhooks/${webhook.id}`)).body.previous_secret_until).toBeNull();
    await tell(app, eventFor([ada]));
    await receiver.until(3);
    const last = receiver.received[2];
    if (!last) throw new Error('nothing came');
    expect([verifies(old, last), verifies(secret, last)]).toEqual([false, true]);
  });

  it('a secret that leaked is replaced at once where it is asked for', async () => {
    const { old, secret } = await attempts(false);
    const [one] = world.receiver.received;
    if (!one) throw new Error('nothing came');
    expect([verifies(old, one), verifies(secret, one)]).toEqual([false, true]);
  });
});

describe('what waits for a webhook', () => {
  /** A delivery whose first attempt failed. */
  const waiting = async () => {
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, receiver.url);
    receiver.answer(answerWith(500));
    await tell(app, eventFor([ada]));
    const [delivery] = await untilDeliveries(ada, webhook, 1, ({ attempts }) => attempts === 1);
    receiver.answer(answerWith(204));
    return { webhook, delivery };
  };
  const pass = (): void => {
    world.app.clock.advance(hour);
    world.app.app.domains.webhooks.nudge();
  };

  it('nothing more is sent to a webhook that is off or deleted, and what waits goes to a new address', async () => {
    const { app, ada, receiver, other } = world;
    const off = await waiting();
    expectStatus(await ada.call('PATCH', `/webhooks/${off.webhook.id}`, { body: { state: 'off' } }), 200);
    const deleted = await waiting();
    expectStatus(await ada.call('DELETE', `/webhooks/${deleted.webhook.id}`), 204);
    const moved = await waiting();
    expectStatus(await ada.call('PATCH', `/webhooks/${moved.webhook.id}`, { body: { url: other.url } }), 200);
    pass();
    await untilDeliveries(ada, moved.webhook, 1, isDelivered);
    await untilDeliveries(ada, off.webhook, 1, isCancelled);
    expect([receiver.received.length, other.received.length]).toEqual([3, 1]);
    const at = `/webhooks/${off.webhook.id}`;
    expectStatus(await ada.call('POST', `${at}/deliveries/${off.delivery.id}/redeliver`), 409);
    expectStatus(await ada.call('PATCH', at, { body: { state: 'active' } }), 200);
    expectStatus(await ada.call('POST', `${at}/deliveries/${off.delivery.id}/redeliver`), 200);
    await untilDeliveries(ada, off.webhook, 1, isDelivered);
    const { rows } = await app.database.client.query('select 1 from webhook_deliveries where webhook_id = $1', [
      deleted.webhook.id,
    ]);
    expect(rows).toEqual([]);
  });

  it('nothing is sent of a disabled user’s events, and it is again once they are enabled', async () => {
    const { app, admin, ada, receiver } = world;
    const { webhook } = await waiting();
    const set = async (status: string) =>
      expectStatus(await admin.call('PATCH', `/users/${ada.id}`, { body: { status } }), 200);
    await set('disabled');
    pass();
    await expect
      .poll(async () => (await app.database.client.query('select state from webhook_deliveries')).rows)
      .toEqual([{ state: 'cancelled' }]);
    await set('active');
    await tell(app, eventFor([ada]));
    await receiver.until(2);
    const { rows } = await app.database.client.query(
      "select count(*)::int as n from webhook_deliveries where webhook_id = $1 and state <> 'cancelled'",
      [webhook.id],
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('an event about a secret is not sent to somebody who has lost access to it before the next attempt', async () => {
    const { app, ada, receiver } = world;
    const owner = await logIn(app, (await world.newPerson()).username);
    const webhook = await addWebhook(ada, receiver.url);
    receiver.answer(answerWith(500));
    const made = [];
    for (const _ of [1, 2]) made.push(await keepSecret(owner, { scope: 'shared', shared_with: [ada.id] }));
    const [kept, lost] = made;
    await tell(app, ...made.map(({ id }) => eventFor([ada], { type: 'secret.updated', secret: { id, revision: 1 } })));
    await untilDeliveries(ada, webhook, 2, ({ attempts }) => attempts === 1);
    expect(receiver.received.map(({ body }) => JSON.parse(body).data.secret.name).sort()).toEqual(
      [kept.name, lost.name].sort(),
    );
    expectStatus(await owner.call('POST', `/secrets/${lost.id}/unshare`, { body: { user_id: ada.id } }), 200);
    receiver.answer(answerWith(204));
    pass();
    await untilDeliveries(ada, webhook, 1, isCancelled);
    await untilDeliveries(ada, webhook, 1, isDelivered);
    expect(JSON.parse(receiver.received.at(-1)?.body ?? '').data.secret.id).toBe(kept.id);
  });

  it('erasing a user deletes their webhooks and deliveries, and nobody else’s', async () => {
    const { app, admin, ada, receiver } = world;
    const grace = await world.newPerson();
    const kept = await addWebhook(grace, receiver.url);
    await tell(app, eventFor([grace]));
    await waiting();
    const preview = expectStatus(await admin.call('GET', `/users/${ada.id}/erasure`), 200).body;
    expect(preview.counts.webhooks).toBe(1);
    const receipt = expectStatus(await admin.call('DELETE', `/users/${ada.id}`), 200).body;
    expect(receipt).toMatchObject({ complete: true, counts: { webhooks: 1 } });
    const { rows } = await app.database.client.query(
      'select w.id, count(d.id)::int as deliveries from webhooks w left join webhook_deliveries d on d.webhook_id = w.id group by 1',
    );
    expect(rows).toEqual([{ id: kept.id, deliveries: 1 }]);
  });

  it('a webhook or a delivery that was edited in the database is not sent', async () => {
    const { app, ada, receiver, other } = world;
    const { webhook } = await waiting();
    const edited = await waiting();
    const before = receiver.received.length;
    const { client } = app.database;
    await client.query('update webhooks set url = $1 where id = $2', [other.url, webhook.id]);
    await client.query('update webhook_deliveries set payload = $1 where id = $2', ['{}', edited.delivery.id]);
    pass();
    await expect
      .poll(async () => (await client.query('select distinct state from webhook_deliveries')).rows)
      .toEqual([{ state: 'cancelled' }]);
    expect([receiver.received.length, other.received.length]).toEqual([before, 0]);
    await tell(app, eventFor([ada]));
    await untilDeliveries(ada, edited.webhook, 1, isDelivered);
  });

  it('what is over is deleted after its time, and what is still attempted stays', async () => {
    const { app, ada } = world;
    const { webhook } = await waiting();
    expectStatus(await ada.call('POST', `/webhooks/${webhook.id}/test`), 200);
    await untilDeliveries(ada, webhook, 1, isDelivered);
    const [sweep] = app.app.domains.webhooks.sweeps;
    const trim = (afterMs: number) =>
      inTransaction(
        app.db.db,
        async (tx) => await sweep?.step(tx, new Date(app.clock.now().getTime() + afterMs), null, 100),
      );
    expect(await trim(30 * day)).toEqual({ done: 0, after: null });
    expect(await trim(30 * day + 1)).toEqual({ done: 1, after: null });
    expect((await deliveriesOf(ada, webhook)).map(({ state }) => state)).toEqual(['pending']);
  });
});
