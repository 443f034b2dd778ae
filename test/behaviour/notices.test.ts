import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { until } from '../support/deadlines.ts';
import { untilTold } from '../support/event-stream.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
} from '../support/people.ts';

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
let linus: Person;
beforeAll(async () => {
  app = await startApp({ env: { KEYHOLD_TRUST_PROXY: '127.0.0.1' } });
  admin = await logInAdmin(app);
  ({ ada, grace, linus } = await people(app, admin, 'ada', 'grace', 'linus'));
});
afterAll(() => app.close());

const noticesOf = async (who: Person, query = ''): Promise<any[]> => {
  await untilTold(app);
  return expectStatus(await who.call('GET', `/notices${query}`), 200).body.notices;
};
const about = async (who: Person, secret: { id: string }) =>
  (await noticesOf(who)).filter((one) => one.secret?.id === secret.id);
const share = (secret: { id: string }, who: Person) =>
  ada.call('POST', `/secrets/${secret.id}/share`, { body: { user_id: who.id } });
const unshare = (secret: { id: string }, who: Person) =>
  ada.call('POST', `/secrets/${secret.id}/unshare`, { body: { user_id: who.id } });
const describeSecret = (secret: { id: string }, description: string) =>
  ada.call('PATCH', `/secrets/${secret.id}`, { body: { description } });

it('a grantee is told who shared what with them, and nobody else is', async () => {
  const secret = await keepSecret(ada, { value: 'canary-value-1', name: 'CANARY_NAME_1' });
  expectStatus(await share(secret, grace), 200);
  expect(await about(grace, secret)).toEqual([
    {
      id: expect.any(String),
      type: 'secret.shared',
      at: expect.any(String),
      actor: { id: ada.id, username: 'ada' },
      agent: null,
      user: { id: grace.id, username: 'grace' },
      secret: { id: secret.id, name: 'CANARY_NAME_1' },
      session: null,
      revision: 2,
      details: { user_id: grace.id },
      unread: true,
    },
  ]);
  // What ada did herself is no news to her.
  expect(await about(ada, secret)).toEqual([]);
  const others = JSON.stringify([await noticesOf(linus), await noticesOf(admin)]);
  expect(others).not.toContain(secret.id);
  const { rows } = await app.database.client.query("select string_agg(events::text, '') as all from events");
  expect(rows[0].all).not.toMatch(/CANARY_NAME_1|canary-value-1/);
});

it('what an agent did by a token is a notice for the user for whom it acted', async () => {
  const body = { name: 'bot', permissions: ['secrets:write', 'secrets:list'], agent: 'my-bot', expires_in: 600 };
  const { token } = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body;
  const secret = await keepSecret(ada.with(token));
  expect(await about(ada, secret)).toMatchObject([{ type: 'secret.created', agent: 'my-bot', actor: { id: ada.id } }]);
});

it('somebody who was unshared is told of that, without the name, and of nothing later', async () => {
  const secret = await keepSecret(ada, { name: 'CANARY_NAME_2' });
  await share(secret, grace);
  await describeSecret(secret, 'while it is shared');
  expect(await about(grace, secret)).toMatchObject([{ type: 'secret.updated' }, { type: 'secret.shared' }]);
  await describeSecret(secret, 'before it is unshared, told later');
  expectStatus(await unshare(secret, grace), 200);
  await describeSecret(secret, 'after it was unshared');
  const told = await about(grace, secret);
  expect(told).toMatchObject([{ type: 'secret.unshared', secret: { id: secret.id, name: null } }]);
  expect(JSON.stringify(told)).not.toContain('CANARY_NAME_2');
  const { rows } = await app.database.client.query(
    "select count(*)::int as later from events where user_id = $1 and secret_id = $2 and type = 'secret.updated'",
    [grace.id, secret.id],
  );
  expect(rows[0].later).toBe(2);
});

it('a change that changes nothing is told to nobody', async () => {
  const secret = await keepSecret(ada);
  for (const _ of [1, 2]) expectStatus(await share(secret, grace), 200);
  for (const _ of [1, 2]) expectStatus(await ada.call('POST', `/secrets/${secret.id}/deactivate`), 200);
  for (const _ of [1, 2]) expectStatus(await ada.call('POST', `/secrets/${secret.id}/activate`), 200);
  for (const _ of [1, 2]) expectStatus(await unshare(secret, grace), 200);
  const { rows } = await app.database.client.query(
    'select type from events where user_id = $1 and secret_id = $2 order by id',
    [grace.id, secret.id],
  );
  const types = ['secret.shared', 'secret.deactivated', 'secret.activated', 'secret.unshared'];
  expect(rows.map(({ type }) => type)).toEqual(types);
});

it('every change of a secret is told with the revision that it made', async () => {
  const secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
  const path = `/secrets/${secret.id}`;
  const call = async (method: string, rest = '', body?: object) =>
    expect((await ada.call(method, path + rest, { body })).status).toBeLessThan(300);
  await call('PATCH', '', { description: 'another' });
  await call('PUT', '/value', { value: 'second' });
  await call('POST', '/versions/1/restore');
  await call('POST', '/deactivate');
  await call('POST', '/activate');
  await call('DELETE');
  await call('POST', '/recover');
  await call('POST', '/transfer', { scope: 'user' });
  await call('DELETE', '?purge=true');
  const { rows } = await app.database.client.query(
    `select type, revision, array_agg(user_id::text order by user_id) as told from events where secret_id = $1
      group by event_id, type, revision order by min(id::text)`,
    [secret.id],
  );
  const both = [ada.id, grace.id].sort();
  expect(rows.map(({ type, revision, told }) => [type, Number(revision), told])).toEqual([
    ['secret.created', 1, both],
    ['secret.updated', 2, both],
    ['secret.updated', 3, both],
    ['secret.updated', 4, both],
    ['secret.deactivated', 5, both],
    ['secret.activated', 6, both],
    ['secret.deleted', 7, both],
    ['secret.recovered', 8, both],
    ['secret.moved', 9, both],
    ['secret.purged', 9, [ada.id]],
  ]);
});

it('a secret in a session is told to the participants who are present, by its name only while they are', async () => {
  const session = await startSession(ada, [grace], { title: 'CANARY_TITLE' });
  const secret = await keepSecret(ada, { scope: 'session', session_id: session.id, name: 'IN_SESSION' });
  expect(await about(grace, secret)).toMatchObject([
    {
      type: 'secret.created',
      secret: { name: 'IN_SESSION' },
      session: { id: session.id, title: 'CANARY_TITLE' },
    },
  ]);
  expectStatus(await grace.call('DELETE', `/sessions/${session.id}/participants/${grace.id}`), 204);
  await describeSecret(secret, 'grace has left');
  expect(await about(grace, secret)).toEqual([]);
  expect(JSON.stringify(await noticesOf(linus))).not.toContain(secret.id);
});

it('a token that is bound to a session is told of that session only', async () => {
  const [session, other] = [await startSession(ada, [grace]), await startSession(ada, [grace])];
  const inside = await keepSecret(ada, { scope: 'session', session_id: session.id });
  const elsewhere = await keepSecret(ada, { scope: 'session', session_id: other.id });
  const shared = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
  const bound = async (...more: string[]) => {
    const body = { name: 'b', permissions: ['events:read', ...more], session_id: session.id, expires_in: 600 };
    return grace.with(expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body.token);
  };
  const told = (await noticesOf(await bound())).map((one) => [one.type, one.session.id, one.secret?.id]);
  expect(told).toEqual([
    ['secret.created', session.id, inside.id],
    ['invitation.received', session.id, undefined],
  ]);
  // Pages without notices would count what happens elsewhere, and their cursors say when.
  const page = async (query: string) =>
    expectStatus(await (await bound()).call('GET', `/notices?limit=1${query}`), 200).body;
  const first = await page('');
  const second = await page(`&cursor=${first.next_cursor}`);
  expect([...first.notices, ...second.notices].map((one) => one.type)).toEqual(told.map(([type]) => type));
  expect(second.next_cursor).toBe(null);
  const all = (await noticesOf(await bound('secrets:own'))).map((one) => one.secret?.id);
  expect(all).toEqual(expect.arrayContaining([inside.id, elsewhere.id, shared.id]));
});

it('notices are unread until they are marked, and later ones are unread again', async () => {
  const { ida } = await people(app, admin, 'ida');
  const first = await keepSecret(ada, { scope: 'shared', shared_with: [ida.id] });
  const second = await keepSecret(ada, { scope: 'shared', shared_with: [ida.id] });
  const unread = async () => (await noticesOf(ida, '?unread=true')).map((one) => one.secret.id);
  expect(await unread()).toEqual([second.id, first.id]);
  const [, older] = await noticesOf(ida);
  expectStatus(await ida.call('POST', '/notices/read', { body: { up_to: older.id } }), 204);
  expect(await unread()).toEqual([second.id]);
  expectStatus(await ida.call('POST', '/notices/read', { body: {} }), 204);
  expect(await unread()).toEqual([]);
  // The mark never goes back.
  expectStatus(await ida.call('POST', '/notices/read', { body: { up_to: older.id } }), 204);
  expect(await unread()).toEqual([]);
  expect((await noticesOf(ida)).map((one) => one.unread)).toEqual([false, false]);
  const third = await keepSecret(ada, { scope: 'shared', shared_with: [ida.id] });
  expect(await unread()).toEqual([third.id]);
  const [foreign] = await noticesOf(grace);
  expectStatus(await ida.call('POST', '/notices/read', { body: { up_to: foreign.id } }), 404);
});

it('notices come in pages that together are all of them, and are kept for 30 days', async () => {
  const { ines } = await people(app, admin, 'ines');
  for (let at = 0; at < 5; at += 1) await keepSecret(ada, { scope: 'shared', shared_with: [ines.id] });
  const all = (await noticesOf(ines)).map((one) => one.id);
  const paged: string[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await ines.call('GET', `/notices?limit=2${cursor}`);
    paged.push(...body.notices.map((one: { id: string }) => one.id));
    if (body.next_cursor === null) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  expect(paged).toEqual(all);
  expect(all.length).toBe(5);
  const day = 86_400_000;
  app.clock.advance(31 * day);
  const later = await logIn(app, 'ines');
  expect((await noticesOf(later)).map((one) => one.type)).toEqual([]);
  app.clock.advance(-31 * day);
  expect((await noticesOf(ines)).length).toBe(5);
});

it('a token needs events:read, and a login that waits is told nothing', async () => {
  const tokenWith = async (permission: string) => {
    const body = { name: 't', permissions: [permission], expires_in: 600 };
    return grace.with(expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body.token);
  };
  expectStatus(await (await tokenWith('events:read')).call('GET', '/notices'), 200);
  const without = await tokenWith('secrets:list');
  for (const path of ['/notices', '/events']) expectStatus(await without.call('GET', path), 403);
  const { iris } = await people(app, admin, 'iris');
  app.clock.advance(1000);
  const chosen = 'chosen by an administrator';
  expectStatus(await admin.call('POST', `/users/${iris.id}/password`, { body: { new_password: chosen } }), 200);
  const waiting = await logIn(app, 'iris', chosen);
  for (const path of ['/notices', '/events'])
    expect(expectStatus(await waiting.call('GET', path), 403).body.code).toBe('waiting_period');
  expect(await noticesOf(iris)).toMatchObject([{ type: 'reset.started', actor: { username: 'admin' } }]);
});

it('administrators are told of each other’s acts on accounts, and users of those on their own', async () => {
  const { judy, otto } = await people(app, admin, 'judy', 'otto');
  expectStatus(await admin.call('PATCH', `/users/${otto.id}`, { body: { role: 'admin' } }), 200);
  app.clock.advance(1000);
  expectStatus(
    await admin.call('POST', `/users/${judy.id}/password`, { body: { new_password: 'chosen by admin' } }),
    200,
  );
  expectStatus(await judy.call('POST', `/users/${judy.id}/password/cancel`), 200);
  for (const status of ['disabled', 'active'])
    expectStatus(await admin.call('PATCH', `/users/${judy.id}`, { body: { status } }), 200);
  const types = ['account.enabled', 'account.disabled', 'reset.cancelled', 'reset.started'];
  const told = (await noticesOf(otto)).filter((one) => one.details.user_id === judy.id);
  expect(told.map(({ type }) => type)).toEqual(types);
  expect(told[0]).toMatchObject({ user: { id: judy.id, username: 'judy' }, actor: { username: 'admin' } });
  const again = await logIn(app, 'judy');
  expect((await noticesOf(again)).map(({ type }) => type)).toEqual(types.filter((type) => type !== 'reset.cancelled'));
  expect((await noticesOf(linus)).filter((one) => one.details.user_id === judy.id)).toEqual([]);
});

it('a login from a network of which nothing was seen for 30 days is told, and the very first is not', async () => {
  expectStatus(await admin.call('POST', '/users', { body: { username: 'nomad', password } }), 201);
  const from = async (ip: string) => {
    const headers = { 'x-forwarded-for': ip };
    const body = { username: 'nomad', password };
    expectStatus(await app.call('POST', '/auth/login', { body, headers }), 200);
    await untilTold(app);
    const { rows } = await app.database.client.query(
      `select details from events where type = 'login.new_place'
        and user_id = (select id from users where username = 'nomad') order by position desc`,
    );
    return rows.map(({ details }) => details.network);
  };
  expect(await from('203.0.113.7')).toEqual([]);
  expect(await from('203.0.113.200')).toEqual([]);
  expect(await from('198.51.100.1')).toEqual(['198.51.100.0/24']);
  expect(await from('198.51.100.99')).toHaveLength(1);
  expect(await from('2001:db8:1:2::1')).toEqual(['2001:db8:1:2::/64', '198.51.100.0/24']);
  expect(await from('2001:0db8:0001:0002:ffff::9')).toHaveLength(2);
  const day = 86_400_000;
  app.clock.advance(29 * day);
  expect(await from('203.0.113.9')).toHaveLength(2);
  app.clock.advance(2 * day);
  expect(await from('198.51.100.1')).toHaveLength(3);
  app.clock.advance(-31 * day);
});

it('an event that somebody addressed to another user in the database is told to neither', async () => {
  const secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
  expect(await about(grace, secret)).toHaveLength(1);
  await app.database.client.query('update events set user_id = $1 where user_id = $2 and secret_id = $3', [
    linus.id,
    grace.id,
    secret.id,
  ]);
  expect(await about(grace, secret)).toEqual([]);
  expect(await about(linus, secret)).toEqual([]);
});

it('the owner of a broken secret is told of it once, and administrators of a broken row of another table', async () => {
  const { nora } = await people(app, admin, 'nora');
  const secret = await keepSecret(nora);
  const { client } = app.database;
  await client.query("update secrets set description = 'written by somebody else' where id = $1", [secret.id]);
  for (const _ of [1, 2]) expectStatus(await nora.call('GET', `/secrets/${secret.id}`), 409);
  const told = (await noticesOf(nora)).filter((one) => one.type === 'integrity.broken');
  expect(told).toMatchObject([{ actor: null, details: { table: 'secrets', secret_id: secret.id } }]);
  expect(JSON.stringify(await noticesOf(admin))).not.toContain(secret.id);

  const { id } = await startSession(nora);
  await client.query("update sessions set title = 'written by somebody else' where id = $1", [id]);
  expectStatus(await nora.call('GET', `/sessions/${id}`), 403);
  await until('administrators were told', 5000, async () =>
    (await noticesOf(admin)).some((one) => one.details.table === 'sessions' && one.details.key === id),
  );
});

it('a token is told names of secrets only with secrets:list, and titles of sessions only with sessions:read', async () => {
  const session = await startSession(ada, [grace], { title: 'CANARY_TITLE' });
  await keepSecret(ada, { scope: 'session', session_id: session.id, name: 'CANARY_NAME' });
  await untilTold(app);
  const notices = async (permissions: readonly string[]): Promise<string> => {
    const body = { name: 'reader', permissions, expires_in: 600 };
    const { token } = expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body;
    return expectStatus(await grace.with(token).call('GET', '/notices', { session: session.id }), 200).text;
  };
  const alone = await notices(['events:read']);
  expect([alone.includes('CANARY'), alone.includes(session.id)]).toEqual([false, true]);
  expect(await notices(['events:read', 'secrets:list'])).toContain('CANARY_NAME');
  expect(await notices(['events:read', 'sessions:read'])).toContain('CANARY_TITLE');
});

it('a token that is bound to a session marks nothing as read', async () => {
  const session = await startSession(grace);
  const token = async (more: object) => {
    const body = { name: 'b', permissions: ['events:read'], expires_in: 600, ...more };
    return grace.with(expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body.token);
  };
  expect((await (await token({ session_id: session.id })).call('POST', '/notices/read', { body: {} })).status).toBe(
    403,
  );
  expect((await (await token({})).call('POST', '/notices/read', { body: {} })).status).toBeLessThan(300);
});
