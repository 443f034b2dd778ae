import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import {
  expectStatus,
  joinSession,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';

const minute = 60_000;

let app: TestApp;
let ada: Person;
let grace: Person;
let linus: Person;
beforeAll(async () => {
  // The later of the service's and the database's clock decides. This one is ahead, so that only the test moves it.
  app = await startApp({ clock: settableClock(new Date(Date.now() + 60 * minute)) });
  ({ ada, grace, linus } = await people(app, await logInAdmin(app), 'ada', 'grace', 'linus'));
});
afterAll(() => app.close());

const tokenFor = async (who: Person, session: string): Promise<Person> => {
  const permissions = ['secrets:list', 'secrets:reveal', 'secrets:write', 'sessions:read'];
  const body = { name: 'bound', permissions, session_id: session, expires_in: 3600 };
  return who.with(expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body.token);
};

/** A session that expires in a tenth of a second, with a secret of Ada's in it and one of Grace's. */
const expiringSession = async () => {
  const external_id = uniqueName('chat');
  const expiresAt = new Date(app.clock.now().getTime() + 100);
  const { id } = await startSession(ada, [grace], { external_id, expires_at: expiresAt });
  const inside = { scope: 'session', session_id: id };
  return {
    id,
    external_id,
    expiresAt,
    byAda: await keepSecret(ada, inside),
    byGrace: await keepSecret(grace, inside),
    expire: () => app.clock.set(expiresAt),
    almostExpire: () => app.clock.set(new Date(expiresAt.getTime() - 1)),
  };
};

const codeOf = ({ status, body }: { status: number; body: any }): string => `${status} ${body.code ?? ''}`.trim();
const notJoined = '403 session_not_joined';

describe('a session that expires', () => {
  it('an expired session lets neither its owner nor a participant in by X-Session-Id', async () => {
    const { id, external_id, byAda, byGrace, almostExpire, expire } = await expiringSession();
    const requests: readonly [Person, string][] = [
      [ada, `/secrets/${byGrace.id}/value`],
      [grace, `/secrets/${byAda.id}/value`],
      [grace, `/secrets/${byAda.id}`],
      [grace, '/secrets'],
      [grace, '/secrets/stats'],
      [grace, '/auth/me'],
    ];
    const answers = async (): Promise<string[]> => {
      const codes: string[] = [];
      for (const [who, path] of requests)
        for (const session of [id, external_id]) codes.push(codeOf(await who.call('GET', path, { session })));
      return codes;
    };
    almostExpire();
    expect(new Set(await answers())).toEqual(new Set(['200']));
    expire();
    expect(new Set(await answers())).toEqual(new Set([notJoined]));
  });

  it('a token that is bound to an expired session is refused everywhere', async () => {
    const { id, byAda, byGrace, almostExpire, expire } = await expiringSession();
    const bound = await tokenFor(grace, id);
    const answers = async () => [
      codeOf(await bound.call('GET', `/secrets/${byAda.id}/value`)),
      codeOf(await bound.call('GET', `/secrets/${byGrace.id}/value`)),
      codeOf(await bound.call('GET', '/secrets')),
      codeOf(await bound.call('GET', '/auth/me')),
      codeOf(await bound.call('GET', `/sessions/${id}`)),
    ];
    almostExpire();
    expect(await answers()).toEqual(Array(5).fill('200'));
    expire();
    expect(await answers()).toEqual(Array(5).fill(notJoined));
  });

  it('an expired session cuts participants off from its secrets, and leaves each secret to its owner', async () => {
    const { byAda, byGrace, expire } = await expiringSession();
    expire();
    for (const [owner, other, secret] of [
      [ada, grace, byAda],
      [grace, ada, byGrace],
    ] as const) {
      expect(codeOf(await other.call('GET', `/secrets/${secret.id}/value`))).toBe('404 not_found');
      expectStatus(await owner.call('GET', `/secrets/${secret.id}/value`), 200);
      const listed = (await owner.call('GET', `/secrets?q=${secret.name}`)).body.secrets;
      expect(listed.map((one: { id: string }) => one.id)).toEqual([secret.id]);
    }
  });

  it('an expired session is shown and listed as ended since its expires_at', async () => {
    const { id, expiresAt, almostExpire, expire } = await expiringSession();
    const shown = async (who: Person) => {
      const one = expectStatus(await who.call('GET', `/sessions/${id}`), 200).body;
      const listed = expectStatus(await who.call('GET', '/sessions'), 200).body.sessions;
      expect(listed.find((session: { id: string }) => session.id === id)).toEqual(one);
      const cleanup = expectStatus(await who.call('GET', `/sessions/${id}/cleanup`), 200).body;
      return [one.status, one.ended_at, cleanup.status];
    };
    almostExpire();
    for (const who of [ada, grace]) expect(await shown(who)).toEqual(['active', null, 'active']);
    expire();
    for (const who of [ada, grace]) expect(await shown(who)).toEqual(['ended', expiresAt.toISOString(), 'ended']);
  });

  it('nobody joins an expired session, and nothing is put into it', async () => {
    const { id, external_id, byAda, almostExpire, expire } = await expiringSession();
    const outside = await keepSecret(ada);
    const item = () => ({ name: uniqueName(), type: 'other', value: 'v', scope: 'session', session_id: id });
    const join = () => ada.call('POST', `/sessions/${id}/participants`, { body: { user_id: linus.id } });
    const put = async () => [
      codeOf(await ada.call('POST', '/secrets', { body: item() })),
      codeOf(await grace.call('POST', '/secrets', { body: { ...item(), session_id: external_id } })),
      codeOf(await ada.call('POST', '/secrets/import', { body: { items: [item()], on_conflict: 'fail' } })),
      codeOf(await ada.call('POST', `/secrets/${outside.id}/transfer`, { body: { scope: 'session', session_id: id } })),
    ];
    const makeToken = async () => codeOf(await tokenAnswer(grace, id));
    almostExpire();
    expect(await put()).toEqual(['201', '201', '201', '200']);
    expect(await makeToken()).toBe('201');
    expectStatus(await ada.call('POST', `/secrets/${outside.id}/transfer`, { body: { scope: 'user' } }), 200);
    expire();
    expect(await put()).toEqual(Array(4).fill(notJoined));
    expect(await makeToken()).toBe(notJoined);
    expect(codeOf(await join())).toBe('409 state_conflict');
    expect(codeOf(await linus.call('GET', `/sessions/${id}`))).toBe(notJoined);
    expect((await ada.call('GET', `/secrets/${outside.id}`)).body.scope).toBe('user');
    expect((await ada.call('GET', `/secrets/${byAda.id}`)).body.scope).toBe('session');
    const other = await startSession(ada);
    const body = { user_id: linus.id };
    expectStatus(await ada.call('POST', `/sessions/${other.id}/participants`, { body }), 201);
  });

  it('an expired session cannot be opened again, and one that was extended in time goes on', async () => {
    const [expired, extended] = [await expiringSession(), await expiringSession()];
    const later = new Date(app.clock.now().getTime() + 60 * minute);
    const extend = (id: string) => ada.call('PATCH', `/sessions/${id}`, { body: { expires_at: later } });
    expectStatus(await extend(extended.id), 200);
    app.clock.set(extended.expiresAt);
    expect(codeOf(await extend(expired.id))).toBe('409 state_conflict');
    expect(codeOf(await grace.call('GET', '/secrets', { session: expired.id }))).toBe(notJoined);
    expectStatus(await grace.call('GET', `/secrets/${extended.byAda.id}/value`, { session: extended.id }), 200);
  });

  it('a session expires by the database’s clock where that one is ahead', async () => {
    const behind = await startApp({ clock: settableClock(new Date(Date.now() - 60 * minute)) });
    try {
      const { mary, nora } = await people(behind, await logInAdmin(behind), 'mary', 'nora');
      const { id } = await startSession(mary, [nora]);
      const secret = await keepSecret(mary, { scope: 'session', session_id: id });
      const reveal = async () => codeOf(await nora.call('GET', `/secrets/${secret.id}/value`, { session: id }));
      const status = async () => (await mary.call('GET', `/sessions/${id}`)).body.status;
      expect([await reveal(), await status()]).toEqual(['200', 'active']);
      // Long enough for this one request on a slow machine.
      const expires_at = new Date(Date.now() + 5000);
      expectStatus(await mary.call('PATCH', `/sessions/${id}`, { body: { expires_at } }), 200);
      await expect.poll(reveal, { timeout: 60_000 }).toBe(notJoined);
      expect(await status()).toBe('ended');
      expect(Date.now()).toBeGreaterThanOrEqual(expires_at.getTime());
    } finally {
      await behind.close();
    }
  });
});

const tokenAnswer = (who: Person, session_id: string) =>
  who.call('POST', '/auth/tokens', {
    body: { name: 'bound', permissions: ['secrets:list'], session_id, expires_in: 60 },
  });

describe('the leaving of a session’s owner', () => {
  it('an owner who left their session is not let in by its id, and is again once they joined', async () => {
    const external_id = uniqueName('chat');
    const { id } = await startSession(ada, [grace], { external_id });
    const bound = await tokenFor(ada, id);
    const [byAda, byGrace] = [
      await keepSecret(ada, { scope: 'session', session_id: id }),
      await keepSecret(grace, { scope: 'session', session_id: id }),
    ];
    const answers = async () => [
      codeOf(await ada.call('GET', `/secrets/${byGrace.id}/value`, { session: id })),
      codeOf(await ada.call('GET', `/secrets/${byGrace.id}/value`, { session: external_id })),
      codeOf(await ada.call('GET', '/secrets', { session: id })),
      codeOf(await ada.call('GET', '/auth/me', { session: id })),
      codeOf(await bound.call('GET', `/secrets/${byGrace.id}/value`)),
      codeOf(await bound.call('GET', `/secrets/${byAda.id}/value`)),
    ];
    expect(await answers()).toEqual(Array(6).fill('200'));
    expectStatus(await ada.call('DELETE', `/sessions/${id}/participants/${ada.id}`), 204);
    expect(await answers()).toEqual(Array(6).fill(notJoined));
    expect(codeOf(await ada.call('GET', `/secrets/${byGrace.id}/value`))).toBe('404 not_found');
    expect(codeOf(await tokenAnswer(ada, id))).toBe(notJoined);
    expect(codeOf(await ada.call('GET', `/sessions/${id}`))).toBe(notJoined);
    await joinSession(ada, id);
    expect((await answers()).filter((code) => code !== '200')).toEqual([]);
  });

  it('an owner who left their session puts no secret into it', async () => {
    const { id } = await startSession(ada, [grace]);
    const outside = await keepSecret(ada);
    const item = () => ({ name: uniqueName(), type: 'other', value: 'v', scope: 'session', session_id: id });
    const put = async () => [
      codeOf(await ada.call('POST', '/secrets', { body: item() })),
      codeOf(await ada.call('POST', '/secrets/import', { body: { items: [item()], on_conflict: 'fail' } })),
      codeOf(await ada.call('POST', `/secrets/${outside.id}/transfer`, { body: { scope: 'session', session_id: id } })),
    ];
    expect(await put()).toEqual(['201', '201', '200']);
    expectStatus(await ada.call('POST', `/secrets/${outside.id}/transfer`, { body: { scope: 'user' } }), 200);
    expectStatus(await ada.call('DELETE', `/sessions/${id}/participants/${ada.id}`), 204);
    expect(await put()).toEqual(Array(3).fill(notJoined));
  });
});
