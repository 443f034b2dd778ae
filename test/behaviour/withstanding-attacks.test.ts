import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { forge, macSigner } from '../support/forged-tokens.ts';
import {
  expectStatus,
  joinSession,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { dripping } from '../support/raw-http.ts';

const issuer = {
  issuer: 'https://platform.example',
  audience: 'keyhold',
  secret: 'a shared secret of more than 32 bytes',
};

describe('faults that attacks once found', () => {
  let app: TestApp;
  let admin: Person;
  let ada: Person;
  let grace: Person;
  beforeAll(async () => {
    const external = {
      issuer: issuer.issuer,
      audience: issuer.audience,
      hs256_secret: issuer.secret,
      may_create_users: true,
    };
    app = await startApp({ env: { KEYHOLD_JWT_ISSUERS: JSON.stringify([external]) } });
    admin = await logInAdmin(app);
    ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
  });
  afterAll(() => app.close());

  const externalToken = (claims: Record<string, unknown>): string => {
    const exp = Math.floor(app.clock.now().getTime() / 1000) + 600;
    const whole = { iss: issuer.issuer, aud: issuer.audience, exp, ...claims };
    return forge({ alg: 'HS256' }, whole, macSigner(issuer.secret));
  };

  it('an administrator cannot let the waiting time of a reset pass while its user is disabled', async () => {
    const { mary } = await people(app, admin, 'mary');
    const secret = await keepSecret(mary);
    const later = 'what the administrator chose';
    expectStatus(await admin.call('POST', `/users/${mary.id}/password`, { body: { new_password: later } }), 200);
    const status = (to: string) => admin.call('PATCH', `/users/${mary.id}`, { body: { status: to } });
    expectStatus(await status('disabled'), 200);
    app.clock.advance(25 * 3_600_000);
    admin = await logInAdmin(app);
    expectStatus(await status('active'), 200);
    const intruder = await logIn(app, 'mary', later);
    expect((await intruder.call('GET', `/secrets/${secret.id}/value`)).body.code).toBe('waiting_period');
    app.clock.advance(25 * 3_600_000);
    [admin, ada, grace] = [await logInAdmin(app), await logIn(app, 'ada'), await logIn(app, 'grace')];
    const waited = await logIn(app, 'mary', later);
    expectStatus(await waited.call('GET', `/secrets/${secret.id}/value`), 200);
  });

  it('an external token that names an agent and a session counts as no login, and reaches that session only', async () => {
    const person = { sub: 'o-1', preferred_username: 'olga' };
    const olga = expectStatus(await app.call('GET', '/auth/me', { token: externalToken(person) }), 200).body.user;
    const mine = externalToken({ sub: 'o-1' });
    const kept = expectStatus(
      await app.call('POST', '/secrets', { token: mine, body: { name: uniqueName(), type: 'token', value: 'v' } }),
      201,
    ).body;
    const body = { external_id: 'chat-agent' };
    const asPerson = externalToken({ sub: 'o-1', sid: 'chat-agent' });
    expectStatus(await app.call('POST', '/sessions', { token: asPerson, body }), 201);
    const agent = externalToken({ sub: 'o-1', sid: 'chat-agent', act: { sub: 'bot' } });
    expectStatus(await app.call('GET', `/secrets/${kept.id}/value`, { token: agent }), 404);
    expectStatus(await app.call('GET', '/auth/tokens', { token: agent }), 403);
    expectStatus(await app.call('DELETE', `/users/${olga.id}`, { token: agent }), 403);
    expectStatus(await app.call('GET', `/secrets/${kept.id}/value`, { token: mine }), 200);
    expectStatus(await app.call('GET', '/auth/tokens', { token: mine }), 200);
  });

  it('changing a password revokes the tokens that were made before', async () => {
    const { nora } = await people(app, admin, 'nora');
    const body = { name: 'early', permissions: ['secrets:list'], expires_in: 3600 };
    const { token } = expectStatus(await nora.call('POST', '/auth/tokens', { body }), 201).body;
    expectStatus(await app.call('GET', '/secrets', { token }), 200);
    const change = { current_password: password, new_password: 'another password' };
    expectStatus(await nora.call('POST', `/users/${nora.id}/password`, { body: change }), 200);
    expectStatus(await app.call('GET', '/secrets', { token }), 401);
    const again = expectStatus(await nora.call('POST', '/auth/tokens', { body }), 201).body;
    expectStatus(await app.call('GET', '/secrets', { token: again.token }), 200);
  });

  it('guesses at one’s own current password are limited', async () => {
    const { otto } = await people(app, admin, 'otto');
    const guess = (current_password: string) =>
      otto.call('POST', `/users/${otto.id}/password`, { body: { current_password, new_password: 'yet another one' } });
    for (let count = 0; count < 10; count += 1) expectStatus(await guess(`wrong guess number ${count}`), 401);
    expectStatus(await guess(password), 429);
    app.clock.advance(16 * 60_000);
    [admin, ada, grace] = [await logInAdmin(app), await logIn(app, 'ada'), await logIn(app, 'grace')];
    const later = await logIn(app, 'otto');
    const body = { current_password: password, new_password: 'yet another one' };
    expectStatus(await later.call('POST', `/users/${later.id}/password`, { body }), 200);
  });

  it('a time before the year 1 is refused and does not damage the secret', async () => {
    const secret = await keepSecret(ada);
    for (const rotate_after of ['0000-06-01T00:00:00Z', '0001-01-01T00:00:00+01:00']) {
      expectStatus(await ada.call('PATCH', `/secrets/${secret.id}`, { body: { rotate_after } }), 400);
    }
    expectStatus(
      await ada.call('PATCH', `/secrets/${secret.id}`, { body: { rotate_after: '0001-01-01T00:00:00Z' } }),
      200,
    );
    expectStatus(await ada.call('GET', `/secrets/${secret.id}/value`), 200);
  });

  it('the size of metadata is limited as the database would write it', async () => {
    const body = (a: number[]) => ({ name: uniqueName(), type: 'token', value: 'v', metadata: { a } });
    expectStatus(await ada.call('POST', '/secrets', { body: body(Array(2000).fill(5e-324)) }), 400);
    expectStatus(await ada.call('POST', '/secrets', { body: body(Array(40).fill(5e-324)) }), 201);
  });

  it('an import that renames one name 2000 times is quick, and one with a name twice can be repeated', async () => {
    const name = uniqueName('MANY');
    const items = Array.from({ length: 2000 }, () => ({ name, type: 'token', value: 'v' }));
    const { body } = expectStatus(
      await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'rename', dry_run: true } }),
      201,
    );
    expect(body.items.at(-1).name).toBe(`${name}-2000`);
    const twice = { items: items.slice(0, 2), on_conflict: 'skip' };
    const headers = { 'idempotency-key': 'twice-in-one-file' };
    const first = expectStatus(await ada.call('POST', '/secrets/import', { body: twice, headers }), 201).body;
    const again = expectStatus(await ada.call('POST', '/secrets/import', { body: twice, headers }), 201).body;
    expect(again.items[0].id).toBe(first.items[0].id);
  });

  it('a name means one’s own secret, however many secrets in other sessions have it', async () => {
    const name = uniqueName('CROWD');
    const own = await keepSecret(grace, { name, value: 'mine' });
    for (let count = 0; count < 25; count += 1) {
      const session = await startSession(grace);
      await keepSecret(grace, { name, scope: 'session', session_id: session.id, value: 'elsewhere' });
    }
    const { body } = expectStatus(await grace.call('POST', '/secrets/reveal', { body: { names: [name] } }), 200);
    expect(body.secrets).toMatchObject([{ id: own.id, value: 'mine' }]);
  });

  it('a list can be filtered by a session under its id and under its external id', async () => {
    const session = await startSession(ada, [], { external_id: 'chat-filter' });
    const secret = await keepSecret(ada, { scope: 'session', session_id: session.id });
    for (const named of [session.id, session.id.toUpperCase(), 'chat-filter']) {
      const { body } = expectStatus(await ada.call('GET', `/secrets?session_id=${named}`), 200);
      expect(body.secrets.map((one: { id: string }) => one.id)).toEqual([secret.id]);
    }
    expect((await grace.call('GET', '/secrets?session_id=chat-filter')).body.secrets).toEqual([]);
  });

  it('the external id of an ended session does not lead its participants into another session', async () => {
    const session = await startSession(ada, [grace], { external_id: 'chat-ended' });
    const where = { session: 'chat-ended' };
    expectStatus(await grace.call('GET', '/secrets', where), 200);
    expectStatus(await ada.call('POST', `/sessions/${session.id}/end`), 200);
    const { mallory } = await people(app, admin, 'mallory');
    const trap = await startSession(mallory, [grace], { external_id: 'chat-ended' });
    expectStatus(await grace.call('GET', '/secrets', where), 403);
    expectStatus(await grace.call('GET', '/secrets', { session: trap.id }), 200);
  });

  it('the id and external id of a session do not lead a removed participant into another session', async () => {
    const session = await startSession(ada, [grace], { external_id: 'chat-taken-out' });
    const { mallory } = { mallory: await logIn(app, 'mallory') };
    await startSession(mallory, [grace], { external_id: session.id });
    await startSession(mallory, [grace], { external_id: 'chat-taken-out' });
    const enter = (name: string) => grace.call('GET', '/secrets', { session: name });
    expectStatus(await enter(session.id), 200);
    expectStatus(await ada.call('DELETE', `/sessions/${session.id}/participants/${grace.id}`), 204);
    for (const name of [session.id, session.id.toUpperCase(), 'chat-taken-out']) {
      expect((await enter(name)).body.code, name).toBe('session_not_joined');
      const body = { name: uniqueName('LURED'), type: 'other', value: 'for ada', scope: 'session' };
      expectStatus(await grace.call('POST', '/secrets', { body, session: name }), 403);
    }
    // Once she is let in again, the name is hers again.
    expectStatus(await ada.call('POST', `/sessions/${session.id}/participants`, { body: { user_id: grace.id } }), 201);
    await joinSession(grace, session.id);
    for (const name of [session.id, 'chat-taken-out']) expectStatus(await enter(name), 200);
  });

  it('another session of the same external id shuts nobody out, and leaving a session frees its external id', async () => {
    const { mallory } = { mallory: await logIn(app, 'mallory') };
    const name = uniqueName('chat');
    const where = async (person: Person) => (await person.call('GET', '/auth/me', { session: name })).body.session_id;
    const session = await startSession(ada, [grace], { external_id: name });
    const trap = await startSession(mallory, [grace, ada], { external_id: name });
    expect([await where(grace), await where(ada), await where(mallory)]).toEqual([session.id, session.id, trap.id]);
    // The one who takes her out and in again is still who brought her in first.
    expectStatus(await ada.call('DELETE', `/sessions/${session.id}/participants/${grace.id}`), 204);
    expect(await where(grace)).toBeUndefined();
    expectStatus(await ada.call('POST', `/sessions/${session.id}/participants`, { body: { user_id: grace.id } }), 201);
    await joinSession(grace, session.id);
    expect(await where(grace)).toBe(session.id);

    // One that took the name first, and is over: she leaves it, and the name is the other's.
    const squatted = uniqueName('chat');
    const first = await startSession(mallory, [grace], { external_id: squatted });
    const real = await startSession(ada, [grace], { external_id: squatted });
    const enter = async () => (await grace.call('GET', '/auth/me', { session: squatted })).body.session_id;
    expect(await enter()).toBe(first.id);
    expectStatus(await mallory.call('DELETE', `/sessions/${first.id}/participants/${grace.id}`), 204);
    expectStatus(await mallory.call('POST', `/sessions/${first.id}/end`), 200);
    expect(await enter()).toBeUndefined();
    expectStatus(await grace.call('DELETE', `/sessions/${first.id}/participants/${grace.id}`), 204);
    expect(await enter()).toBe(real.id);
    // She knows two of the name and is told so: leaving twice leaves no other one.
    expectStatus(await grace.call('DELETE', `/sessions/${squatted}/participants/${grace.id}`), 403);
    expect(await enter()).toBe(real.id);
    // Who was taken out is told of others what a stranger is told.
    const outOf = await startSession(mallory, [grace]);
    expectStatus(await mallory.call('DELETE', `/sessions/${outOf.id}/participants/${grace.id}`), 204);
    const about = (id: string) => grace.call('DELETE', `/sessions/${id}/participants/${mallory.id}`);
    expect((await about(outOf.id)).body.code).toBe('session_not_joined');
    expect((await about((await startSession(mallory)).id)).body.code).toBe('session_not_joined');
  });

  it('a number of a quarter of a megabyte is refused without delay', async () => {
    // It took the whole service for a minute each, and this test as long as it may take.
    for (const n of [
      `0.1${'0'.repeat(250_000)}1`,
      `1${'0'.repeat(250_000)}1`,
      `${'0'.repeat(125_000)}.${'0'.repeat(125_000)}`,
    ]) {
      const body = `{"username":"x","password":"y","n":${n}}`;
      const headers = { 'content-type': 'application/json' };
      expect((await fetch(`${app.url}/api/v1/auth/login`, { method: 'POST', headers, body })).status).toBe(400);
    }
  });

  it('failed logins by others do not keep a user from changing their password', async () => {
    const { nell } = await people(app, admin, 'nell');
    for (const username of [`own password of ${nell.id}`, nell.id]) {
      for (let times = 0; times < 11; times += 1) {
        await app.call('POST', '/auth/login', { body: { username, password: 'a wrong guess' } });
      }
    }
    const body = { current_password: password, new_password: 'another password' };
    expectStatus(await nell.call('POST', `/users/${nell.id}/password`, { body }), 200);
  });

  it('slow imports of one user do not keep others from importing', async () => {
    const head = `POST /api/v1/secrets/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${grace.token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`;
    const body = { items: [{ name: uniqueName(), type: 'token', value: 'v' }], on_conflict: 'skip' };
    const graces = () => grace.call('POST', '/secrets/import', { body });
    // A slow one that comes while another import of hers is under way is turned away itself; then another one is sent.
    let slow = dripping(app.url, head, '');
    for (let tries = 0; tries < 50; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      if ((await graces()).status === 503) break;
      slow.close();
      slow = dripping(app.url, head, '');
    }
    expectStatus(await graces(), 503);
    expectStatus(await ada.call('POST', '/secrets/import', { body }), 201);
    slow.close();
    await expect.poll(async () => (await graces()).status, { timeout: 10_000 }).toBe(201);
  });

  it('an Idempotency-Key that was used in one session is refused in another one', async () => {
    const [one, two] = [await startSession(ada), await startSession(ada)];
    const body = { name: uniqueName('TWICE'), type: 'other', value: 'v', scope: 'session' };
    const headers = { 'idempotency-key': uniqueName('key') };
    const create = (session: string) => ada.call('POST', '/secrets', { body, headers, session });
    const { id } = expectStatus(await create(one.id), 201).body;
    expect(expectStatus(await create(two.id), 409).body.code).toBe('idempotency_key_reused');
    expect(expectStatus(await create(one.id), 201).body.id).toBe(id);
  });

  it('a guess at one’s own password needs a credential that is still valid when the body has come', async () => {
    const { nan } = await people(app, admin, 'nan');
    const headers = `POST /api/v1/users/${nan.id}/password HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${nan.token}\r\n`;
    const guess = JSON.stringify({ current_password: 'a wrong password', new_password: 'another password' });
    const head = `${headers}Content-Type: application/json\r\nContent-Length: ${guess.length}\r\nConnection: close\r\n\r\n`;
    const counted = async () =>
      (await app.database.client.query('select coalesce(sum(failures), 0)::int as sum from login_failures')).rows[0]
        .sum;
    const before = await counted();
    const opened = Array.from({ length: 5 }, () => dripping(app.url, head, ''));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expectStatus(await nan.call('POST', '/auth/logout'), 204);
    for (const one of opened) one.write(guess);
    const answers = await Promise.all(opened.map((one) => one.ended(5000)));
    expect(answers.map((answer) => answer?.status)).toEqual([401, 401, 401, 401, 401]);
    expect(answers[0]?.body).toContain('"unauthenticated"');
    expect(await counted()).toBe(before);
  });
});

describe('a limit on requests', () => {
  it('a credential has one limit on requests, however its scheme is spelt', async () => {
    const app = await startApp({ env: { KEYHOLD_RATE_LIMIT: '20' } });
    try {
      const { token } = await logInAdmin(app);
      const schemes = ['Bearer', 'bearer', 'BEARER', 'bEARER', 'beArer', 'beaRer', 'beareR', 'BEARer'];
      const ask = (scheme = '') =>
        fetch(`${app.url}/api/v1/auth/me`, { headers: { authorization: `${scheme} ${token}` } });
      await ask('Bearer');
      const flood = Array.from({ length: 160 }, (_, count) => ask(schemes[count % schemes.length]));
      const good = (await Promise.all(flood)).filter(({ status }) => status === 200);
      // Twenty a second, over the two or three seconds that this may take.
      expect(good.length).toBeLessThan(100);
    } finally {
      await app.close();
    }
  });

  it('the limit on requests acts before authentication, whatever credential is made up', async () => {
    const app = await startApp({ env: { KEYHOLD_RATE_LIMIT: '20' } });
    try {
      const flood = Array.from({ length: 60 }, (_, count) =>
        app.call('GET', '/secrets', { token: `made-up-${count}` }),
      );
      const statuses = (await Promise.all(flood)).map((answer) => answer.status);
      expect(statuses).toContain(401);
      expect(statuses).toContain(429);
      await new Promise((resolve) => setTimeout(resolve, 1100));
      expectStatus(await (await logInAdmin(app)).call('GET', '/secrets'), 200);
    } finally {
      await app.close();
    }
  });
});

describe('the limit on requests', () => {
  it('the limit of a user is not used up by a credential that is no longer valid', async () => {
    const app = await startApp({ env: { KEYHOLD_RATE_LIMIT: '40' } });
    try {
      const { ada } = await people(app, await logInAdmin(app), 'ada');
      const body = { name: 'leaked', permissions: ['secrets:list'], expires_in: 3600 };
      const { token, id } = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body;
      const leaked = ada.with(token);
      expectStatus(await leaked.call('GET', '/secrets'), 200);
      expectStatus(await ada.call('DELETE', `/auth/tokens/${id}`), 204);
      // Until its first refusal the credential counts for its user: on a busy machine that could be the whole flood.
      expectStatus(await leaked.call('GET', '/secrets'), 401);
      const flood = await Promise.all(Array.from({ length: 120 }, () => leaked.call('GET', '/secrets')));
      expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([401, 429]));
      expectStatus(await ada.call('GET', '/auth/me'), 200);
      // One that is good counts for its user, with all others of theirs.
      const mine = await Promise.all(Array.from({ length: 120 }, () => ada.call('GET', '/auth/me')));
      expect(new Set(mine.map(({ status }) => status))).toEqual(new Set([200, 429]));
    } finally {
      await app.close();
    }
  });
});
