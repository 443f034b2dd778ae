import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { otherSpellings } from '../support/forged-tokens.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people, startSession } from '../support/people.ts';

const minute = 60_000;

let app: TestApp;
let ada: Person;
let bob: Person;
beforeAll(async () => {
  // Ahead of the database's clock, which goes on by itself: the later of the two decides, and here it is always ours.
  app = await startApp({ clock: settableClock(new Date(Date.now() + 3_600_000)) });
  ({ ada, bob } = await people(app, await logInAdmin(app), 'ada', 'bob'));
});
afterAll(() => app.close());

const me = (token: string) => app.call('GET', '/auth/me', { token });

const makeToken = async (owner: Person, body: Record<string, unknown> = {}): Promise<{ id: string; token: string }> => {
  const whole = { name: 't', permissions: ['secrets:list', 'secrets:reveal'], expires_in: 3600, ...body };
  return expectStatus(await owner.call('POST', '/auth/tokens', { body: whole }), 201).body;
};

describe('a personal token', () => {
  it('a personal token is shown once, and is valid until its end', async () => {
    const { id, token } = await makeToken(ada, { expires_in: 60 });
    expect(expectStatus(await me(token), 200).body.user.id).toBe(ada.id);
    const { tokens } = (await ada.call('GET', '/auth/tokens')).body;
    expect(tokens.find((one: { id: string }) => one.id === id)).not.toHaveProperty('token');
    app.clock.advance(minute - 1);
    expectStatus(await me(token), 200);
    app.clock.advance(1);
    expectStatus(await me(token), 401);
  });

  it('a personal token ends at once when its user revokes it, and no other one does', async () => {
    const [first, second] = [await makeToken(ada), await makeToken(ada)];
    expectStatus(await ada.call('DELETE', `/auth/tokens/${first.id}`), 204);
    expectStatus(await me(first.token), 401);
    expectStatus(await me(second.token), 200);
  });

  it('a personal token of another user can be neither seen nor revoked', async () => {
    const { id, token } = await makeToken(ada);
    expectStatus(await bob.call('DELETE', `/auth/tokens/${id}`), 404);
    expect((await bob.call('GET', '/auth/tokens')).body.tokens).toEqual([]);
    expectStatus(await me(token), 200);
    expectStatus(await ada.call('DELETE', `/auth/tokens/${id}`), 204);
  });

  it('a personal token is refused in every form but its own', async () => {
    const { id, token } = await makeToken(ada);
    const other = await makeToken(bob);
    const bytes = Buffer.from(token.slice(3), 'base64url');
    const text = (...parts: Buffer[]) => `kh_${Buffer.concat(parts).toString('base64url')}`;
    const forged = [
      text(bytes.subarray(0, 16), randomBytes(32)),
      text(randomBytes(16), bytes.subarray(16)),
      text(Buffer.from(other.token.slice(3), 'base64url').subarray(0, 16), bytes.subarray(16)),
      text(bytes.subarray(0, 47)),
      text(bytes, Buffer.alloc(1)),
      'kh_',
      `kh_${id}`,
      token.slice(3),
      token.replace('kh_', 'KH_'),
      token.replace('kh_', 'khr_'),
      token.slice(0, -1),
      `${token}=`,
      `${token}A`,
    ];
    for (const one of forged) expectStatus(await me(one), 401);
    expectStatus(await me(token), 200);
  });

  it('a personal token makes no token, lists none and lists no logins, and a login does', async () => {
    const { token } = await makeToken(ada, { permissions: ['secrets:list', 'sessions:write'] });
    const asks = [
      ['POST', '/auth/tokens', { name: 'n', permissions: ['secrets:list'], expires_in: 60 }, 201],
      ['GET', '/auth/tokens', undefined, 200],
      ['GET', '/auth/logins', undefined, 200],
    ] as const;
    for (const [method, path, body, status] of asks) {
      const refused = await app.call(method, path, { token, body });
      expect(expectStatus(refused, 403).body.code).toBe('permission_missing');
      expectStatus(await ada.call(method, path, { body }), status);
    }
  });

  it('a token loses the permissions that its user’s role loses, and has them again with the role', async () => {
    const admin = await logInAdmin(app);
    const { eve } = await people(app, admin, 'eve');
    const setRole = async (role: string) =>
      expectStatus(await admin.call('PATCH', `/users/${eve.id}`, { body: { role } }), 200);
    await setRole('admin');
    const { token } = await makeToken(eve, { permissions: ['admin', 'secrets:list', 'secrets:reveal'] });
    const asAdmin: readonly [string, string, object?][] = [
      ['PATCH', `/users/${bob.id}`, { role: 'member' }],
      ['POST', `/users/${bob.id}/password`, { new_password: 'chosen by an administrator' }],
      ['POST', `/users/${bob.id}/password/cancel`],
      ['POST', '/users', { username: `made-in-time-${Math.random()}` }],
    ];
    const answers = async (): Promise<number[]> => {
      const statuses: number[] = [];
      for (const [method, path, body] of asAdmin)
        statuses.push((await app.call(method, path, { token, ...(body ? { body } : {}) })).status);
      return statuses;
    };
    const permissions = async () => expectStatus(await me(token), 200).body.permissions.sort();
    const wholeView = async () => 'email' in (await app.call('GET', `/users/${bob.id}`, { token })).body;
    expect(await answers()).toEqual([200, 200, 200, 201]);
    expect([await permissions(), await wholeView()]).toEqual([['admin', 'secrets:list', 'secrets:reveal'], true]);
    await setRole('member');
    const refused = await app.call('GET', '/users?q=bob', { token });
    expect(refused.status).toBe(403);
    expect(await answers()).toEqual([403, 403, 403, 403]);
    expect([await permissions(), await wholeView()]).toEqual([['secrets:list', 'secrets:reveal'], false]);
    expectStatus(await app.call('GET', '/secrets', { token }), 200);
    await setRole('admin');
    expectStatus(await app.call('PATCH', `/users/${bob.id}`, { token, body: { role: 'member' } }), 200);
  });

  it('a token has at most its own permissions, and is never made with more than its user’s', async () => {
    const secret = await keepSecret(ada);
    const { token } = await makeToken(ada, { permissions: ['secrets:list'] });
    expectStatus(await app.call('GET', `/secrets/${secret.id}`, { token }), 200);
    expect((await app.call('GET', `/secrets/${secret.id}/value`, { token })).body.code).toBe('permission_missing');
    const admin = { name: 'a', permissions: ['admin'], expires_in: 60 };
    expect((await ada.call('POST', '/auth/tokens', { body: admin })).body.code).toBe('permission_missing');
    expectStatus(await (await logInAdmin(app)).call('POST', '/auth/tokens', { body: admin }), 201);
  });

  it('a token for a session reaches that session only, and is refused if the request names another one', async () => {
    const [one, two] = [await startSession(ada, [bob], { external_id: 'one' }), await startSession(ada, [bob])];
    const inOne = await keepSecret(ada, { scope: 'session', session_id: one.id });
    const inTwo = await keepSecret(ada, { scope: 'session', session_id: two.id });
    const { token } = await makeToken(bob, { session_id: 'one' });
    const value = (id: string, session?: string) => app.call('GET', `/secrets/${id}/value`, { token, session });
    expectStatus(await value(inOne.id), 200);
    expectStatus(await value(inOne.id, 'one'), 200);
    expectStatus(await value(inTwo.id), 404);
    expect(expectStatus(await value(inTwo.id, two.id), 403).body.code).toBe('session_not_joined');
    expectStatus(await bob.call('GET', `/secrets/${inTwo.id}/value`, { session: two.id }), 200);
  });
});

describe('an access token', () => {
  it('an access token ends with its login: by logout, by another login and after 15 minutes', async () => {
    const [first, second, third] = [await logIn(app, 'ada'), await logIn(app, 'ada'), await logIn(app, 'ada')];
    expectStatus(await first.call('POST', '/auth/logout'), 204);
    expectStatus(await me(first.token), 401);
    expectStatus(await me(second.token), 200);
    const { logins } = (await second.call('GET', '/auth/logins')).body;
    const current = (await third.call('GET', '/auth/logins')).body.logins.find(
      (one: { current: boolean }) => one.current,
    );
    expect(logins.map(({ id }: { id: string }) => id)).toContain(current.id);
    expectStatus(await bob.with((await logIn(app, 'bob')).token).call('DELETE', `/auth/logins/${current.id}`), 404);
    expectStatus(await me(third.token), 200);
    expectStatus(await second.call('DELETE', `/auth/logins/${current.id}`), 204);
    expectStatus(await me(third.token), 401);
    expectStatus(await me(second.token), 200);
    app.clock.advance(16 * minute);
    expectStatus(await me(second.token), 401);
  });
});

describe('a refresh token', () => {
  const refresh = (token: string) => app.call('POST', '/auth/refresh', { body: { refresh_token: token } });

  it('a refresh token is valid once, and using it again ends its login with everything that came of it', async () => {
    const login = await logIn(app, 'ada');
    const next = expectStatus(await refresh(login.refreshToken), 200).body;
    expectStatus(await me(next.access_token), 200);
    expectStatus(await refresh(login.refreshToken), 401);
    expectStatus(await me(next.access_token), 401);
    expectStatus(await me(login.token), 401);
    expectStatus(await refresh(next.refresh_token), 401);
    const untouched = await logIn(app, 'ada');
    expectStatus(await refresh(untouched.refreshToken), 200);
  });

  it('a refresh token is refused after a logout', async () => {
    const login = await logIn(app, 'ada');
    expectStatus(await login.call('POST', '/auth/logout'), 204);
    expectStatus(await refresh(login.refreshToken), 401);
  });

  it('a refresh token is valid for 30 days, and each use extends its login by 30 days', async () => {
    const days = 24 * 60 * minute;
    const [used, unused] = [await logIn(app, 'ada'), await logIn(app, 'ada')];
    app.clock.advance(29 * days);
    const next = expectStatus(await refresh(used.refreshToken), 200).body;
    app.clock.advance(days);
    expectStatus(await refresh(unused.refreshToken), 401);
    app.clock.advance(28 * days);
    expectStatus(await refresh(next.refresh_token), 200);
  });

  it('an altered refresh token is refused and ends no login', async () => {
    const login = await logIn(app, 'ada');
    const bytes = Buffer.from(login.refreshToken.slice(4), 'base64url');
    const flipped = (at: number): string => {
      const copy = Buffer.from(bytes);
      copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
      return `khr_${copy.toString('base64url')}`;
    };
    const altered = [
      flipped(0),
      flipped(15),
      flipped(19),
      flipped(20),
      flipped(51),
      `${login.refreshToken}A`,
      'khr_',
      'x',
    ];
    const spellings = otherSpellings(login.refreshToken.slice(4)).map((one) => `khr_${one}`);
    for (const one of [...altered, ...spellings, login.token]) expectStatus(await refresh(one), 401);
    expectStatus(await refresh(login.refreshToken), 200);
  });

  it('a refresh token is refused as an access token', async () => {
    const login = await logIn(app, 'ada');
    expectStatus(await me(login.refreshToken), 401);
    expectStatus(await me(login.token), 200);
  });
});
