import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/core/ids.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createTrimEvents } from '../../src/events/index.ts';
import { createSeals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { until } from '../support/deadlines.ts';
import { openStream, type ReadStream, untilTold } from '../support/event-stream.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';

const hour = 3_600_000;

/** Two services on one database: what is done at one must end streams at the other. */
let app: TestApp;
let other: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
beforeAll(async () => {
  const clock = settableClock(new Date(Date.now() + hour));
  app = await startApp({ clock });
  const { database, rootKeys } = app;
  other = await startApp({ clock, database, rootKeys });
  admin = await logInAdmin(app);
  ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
});
afterAll(async () => {
  await other.close();
  await app.close();
});

const open: ReadStream[] = [];
afterEach(() => {
  for (const stream of open.splice(0)) stream.leave();
});
const streamOf = async (who: Person, lastEventId?: string, at: TestApp = other): Promise<ReadStream> => {
  const stream = await openStream(at.url, { token: who.token, lastEventId });
  open.push(stream);
  await until('the stream began', 5000, async () => stream.messages.length > 0);
  return stream;
};

const tokenOf = async (who: Person, more: object = {}) => {
  const body = { name: 'reader', permissions: ['events:read'], expires_in: 600, ...more };
  const made = expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body;
  return { id: made.id as string, person: who.with(made.token) };
};
const shareWithGrace = () => keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
const idsIn = (stream: ReadStream) => stream.events().map(({ data }) => data.id);

it('a stream tells each user what concerns them as it happens, and nobody else', async () => {
  const [adas, graces] = [await streamOf(ada), await streamOf(grace)];
  const own = await keepSecret(ada, { name: 'CANARY_OWN', value: 'canary-value' });
  const secret = await shareWithGrace();
  const [told] = await graces.waitFor('secret.created');
  expect(told?.data).toMatchObject({ type: 'secret.created', actor: { username: 'ada' }, secret: { id: secret.id } });
  await adas.waitFor('secret.created', 2);
  expect(adas.events().map(({ data }) => data.secret.id)).toEqual([own.id, secret.id]);
  expect(graces.text()).not.toMatch(new RegExp(`CANARY|canary|${own.id}`));
  expect(adas.text()).not.toContain('canary-value');
});

it('a stream has the headers that keep proxies from holding it back, and says how long to wait before coming back', async () => {
  const streams = [await streamOf(grace), await streamOf(grace), await streamOf(grace), await streamOf(grace)];
  expect(streams[0]?.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  });
  expect(streams[0]?.headers).not.toHaveProperty('content-encoding');
  const waits = streams.map(({ messages }) => Number(messages[0]?.retry));
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
  expect(new Set(waits).size).toBeGreaterThan(1);
});

it('an idle stream gets a comment every 20 seconds', async () => {
  const stream = await streamOf(grace);
  expect(stream.comments).toEqual([]);
  for (const count of [1, 2]) {
    app.clock.advance(20_000);
    await until('a comment came', 5000, async () => stream.comments.length >= count);
    expect(stream.comments).toHaveLength(count);
  }
});

it('the seventh stream of a credential is refused, another credential has its own six, and one that ends makes room', async () => {
  const { person } = await tokenOf(grace);
  const six = [];
  for (let at = 0; at < 6; at += 1) six.push(await streamOf(person));
  const refused = expectStatus(await other.call('GET', '/events', { token: person.token }), 429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await streamOf(grace);
  six[0]?.leave();
  await until('there was room', 5000, async () => {
    const stream = await openStream(other.url, { token: person.token });
    open.push(stream);
    return stream.status === 200;
  });
});

it('an idle stream ends when its token is revoked at another service, and nothing is sent after that', async () => {
  const { id, person } = await tokenOf(grace);
  const [stream, twin] = [await streamOf(person), await streamOf(grace)];
  expectStatus(await grace.call('DELETE', `/auth/tokens/${id}`), 204);
  const secret = await shareWithGrace();
  await stream.waitForEnd();
  await twin.waitFor('secret.created');
  expect(stream.text()).not.toContain(secret.id);
  expect(twin.isOver()).toBe(false);
});

it('a stream ends with the logout, with the expiry of its token and when its user is disabled', async () => {
  const { vera, wanda, xenia } = await people(app, admin, 'vera', 'wanda', 'xenia');
  const [loggedOut, disabled, expiring] = [await streamOf(vera), await streamOf(wanda), await streamOf(xenia)];
  const stays = await streamOf((await tokenOf(vera, { expires_in: 86_400 })).person);
  expectStatus(await vera.call('POST', '/auth/logout'), 204);
  expectStatus(await admin.call('PATCH', `/users/${wanda.id}`, { body: { status: 'disabled' } }), 200);
  await loggedOut.waitForEnd();
  await disabled.waitForEnd();
  expect(expiring.isOver()).toBe(false);
  app.clock.advance(hour / 2);
  await expiring.waitForEnd();
  expect(stays.isOver()).toBe(false);
  app.clock.advance(-hour / 2);
  // The same login, by a token that has not expired, goes on where the stream ended.
  const again = await streamOf(xenia, expiring.lastId());
  const secret = await keepSecret(xenia);
  expect((await again.waitFor('secret.created'))[0]?.data.secret.id).toBe(secret.id);
});

it('a stream that is bound to a session ends when its user leaves that session', async () => {
  const session = await startSession(ada, [grace]);
  const { person } = await tokenOf(grace, { session_id: session.id });
  // The invitation is told before the streams begin.
  await untilTold(app);
  const [bound, free] = [await streamOf(person), await streamOf(grace)];
  const inside = await keepSecret(ada, { scope: 'session', session_id: session.id });
  await shareWithGrace();
  await free.waitFor('secret.created', 2);
  expect((await bound.waitFor('secret.created')).map(({ data }) => data.secret.id)).toEqual([inside.id]);
  expectStatus(await grace.call('DELETE', `/sessions/${session.id}/participants/${grace.id}`), 204);
  await bound.waitForEnd();
  expect(free.isOver()).toBe(false);
});

it('a client that comes back gets everything that it missed once, in order, at either service', async () => {
  const first = await streamOf(grace);
  await shareWithGrace();
  const [seen] = await first.waitFor('secret.created');
  first.leave();
  const missed = [await shareWithGrace(), await shareWithGrace(), await shareWithGrace()];
  await untilTold(app);
  const second = await streamOf(grace, first.lastId(), app);
  await second.waitFor('secret.created', 3);
  await shareWithGrace();
  await second.waitFor('secret.created', 4);
  expect(
    second
      .events()
      .map(({ data }) => data.secret.id)
      .slice(0, 3),
  ).toEqual(missed.map(({ id }) => id));
  expect(idsIn(second)).not.toContain(seen?.data.id);
  expect(new Set(idsIn(second)).size).toBe(4);
});

it('a client that left before anything happened misses nothing either', async () => {
  const first = await streamOf(grace);
  first.leave();
  const secret = await shareWithGrace();
  await untilTold(app);
  const second = await streamOf(grace, first.lastId());
  expect((await second.waitFor('secret.created'))[0]?.data.secret.id).toBe(secret.id);
});

it('what somebody has lost access to is not told when they come back, and that they lost it is', async () => {
  const first = await streamOf(grace);
  first.leave();
  const secret = await shareWithGrace();
  await ada.call('PATCH', `/secrets/${secret.id}`, { body: { description: 'while it was shared' } });
  expectStatus(await ada.call('POST', `/secrets/${secret.id}/unshare`, { body: { user_id: grace.id } }), 200);
  await untilTold(app);
  const second = await streamOf(grace, first.lastId());
  const [told] = await second.waitFor('secret.unshared');
  expect(told?.data.secret).toEqual({ id: secret.id, name: null });
  expect(second.events()).toHaveLength(1);
});

it('a stream that comes back with an id that is none of its user’s is told so once, and goes on from now', async () => {
  const adas = await streamOf(ada);
  await shareWithGrace();
  await adas.waitFor('secret.created');
  const random = Buffer.alloc(16, 7).toString('base64url');
  const ids = ['not an id', 'A'.repeat(8000), `${'A'.repeat(21)}B`, random, adas.lastId()];
  const streams = [];
  for (const id of ids) streams.push(await streamOf(grace, id));
  await expectResets(streams, 'unknown');
});

it('a stream that comes back with an id from before a restore or a trimming is told so', async () => {
  const [first, second] = [await streamOf(grace), await streamOf(ada)];
  await shareWithGrace();
  await Promise.all([first.waitFor('secret.created'), second.waitFor('secret.created')]);
  const seals = createSeals(() => app.app.keys.held().sealKeys);
  const trim = createTrimEvents(seals);
  const before = new Date(app.clock.now().getTime() + 1);
  await keepSecret(ada);
  await untilTold(app);
  expect(await inTransaction(app.db.db, (tx) => trim(tx, before, 10_000))).toBeGreaterThan(0);
  await expectResets([await streamOf(grace, first.lastId())], 'trimmed');
  const row = { id: newId<string>(), backup_id: newId<string>(), backup_created_at: before, restored_at: before };
  await seals.insert(app.db.db, 'restores', { ...row, released_at: before });
  await expectResets([await streamOf(ada, second.lastId())], 'unknown', ada);
});

/** Each of these streams says once that something may be missed, and then goes on. */
const expectResets = async (streams: readonly ReadStream[], reason: string, who = grace): Promise<void> => {
  for (const stream of streams) {
    const [reset] = await stream.waitFor('stream.reset');
    expect(reset?.data).toEqual({ reason, missed_before: app.clock.now().toISOString(), look_at: '/api/v1/notices' });
  }
  const secret = await shareWithGrace();
  for (const stream of streams) {
    expect((await stream.waitFor('secret.created'))[0]?.data.secret.id).toBe(secret.id);
    expect(stream.events()).toHaveLength(2);
    stream.leave();
  }
  // The id that the client has now is one to come back with.
  const again = await streamOf(who, streams[0]?.lastId());
  await shareWithGrace();
  await again.waitFor('secret.created');
  expect(again.events()).toHaveLength(1);
};

it('ids do not tell how many events others have', async () => {
  const idle = await streamOf(admin);
  const before = idle.lastId();
  idle.leave();
  await shareWithGrace();
  await untilTold(app);
  const again = await streamOf(admin);
  expect(again.lastId()).toBe(before);
});
