import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, password, people } from '../support/people.ts';

const day = 24 * 3_600_000;
const resetTo = 'set by an administrator';

let app: TestApp;
beforeAll(async () => {
  // Ahead of the database's clock, which goes on by itself: the later of the two decides, and here it is always ours.
  app = await startApp({ clock: settableClock(new Date(Date.now() + 3_600_000)) });
});
afterAll(() => app.close());

let made = 0;

/** A user with a secret, an earlier login and an earlier token, whose password an administrator has just reset. */
const afterReset = async () => {
  made += 1;
  const admin = await logInAdmin(app);
  const name = `user-${made}`;
  const earlier = (await people(app, admin, name))[name] as Person;
  const secret = await keepSecret(earlier, { value: 'swordfish' });
  const tokenBody = { name: 't', permissions: ['secrets:reveal'], expires_in: 7 * 86_400 };
  const { token } = expectStatus(await earlier.call('POST', '/auth/tokens', { body: tokenBody }), 201).body;
  app.clock.advance(1000);
  const reset = (next = resetTo) =>
    admin.call('POST', `/users/${earlier.id}/password`, { body: { new_password: next } });
  expectStatus(await reset(), 200);
  app.clock.advance(1000);
  const later = await logIn(app, name, resetTo);
  const value = (who: Person) => who.call('GET', `/secrets/${secret.id}/value`);
  const callOff = (who: Person) => who.call('POST', `/users/${earlier.id}/password/cancel`);
  return { admin, name, earlier, later, secret, token, tokenBody, reset, value, callOff };
};

type World = Awaited<ReturnType<typeof afterReset>>;

describe('a password that an administrator reset', () => {
  it('after a reset a new login can list, and both it and an earlier login are told until when it waits', async () => {
    const { later, earlier, secret } = await afterReset();
    expectStatus(await later.call('GET', `/secrets/${secret.id}`), 200);
    expect((await later.call('GET', '/secrets')).body.secrets).toMatchObject([{ id: secret.id }]);
    const { waiting_until } = expectStatus(await later.call('GET', '/auth/me'), 200).body;
    expect(new Date(waiting_until).getTime() - app.clock.now().getTime()).toBe(day - 1000);
    const { user } = expectStatus(await earlier.call('GET', '/auth/me'), 200).body;
    expect(user.secrets_from).toBe(waiting_until);
  });

  it.each<[string, (world: World, who: Person) => Promise<{ status: number; body: any }>, number]>([
    ['reveal a secret', ({ value }, who) => value(who), 200],
    [
      'set a value',
      ({ secret }, who) => who.call('PUT', `/secrets/${secret.id}/value`, { body: { value: 'mine' } }),
      200,
    ],
    [
      'share a secret',
      ({ secret }, who) => who.call('POST', `/secrets/${secret.id}/share`, { body: { username: 'admin' } }),
      200,
    ],
    [
      'change a secret',
      ({ secret }, who) => who.call('PATCH', `/secrets/${secret.id}`, { body: { description: 'd' } }),
      200,
    ],
    ['see who has access', ({ secret }, who) => who.call('GET', `/secrets/${secret.id}/access`), 200],
    ['delete a secret', ({ secret }, who) => who.call('DELETE', `/secrets/${secret.id}`), 204],
    [
      'create a secret',
      (_world, who) => who.call('POST', '/secrets', { body: { name: 'N', type: 'token', value: 'v' } }),
      201,
    ],
    ['make a token', ({ tokenBody }, who) => who.call('POST', '/auth/tokens', { body: tokenBody }), 201],
    ['start a session', (_world, who) => who.call('POST', '/sessions', { body: {} }), 201],
    ['cancel the reset', ({ callOff }, who) => callOff(who), 200],
    [
      'change the password',
      ({ earlier }, who) =>
        who.call('POST', `/users/${earlier.id}/password`, {
          body: { current_password: resetTo, new_password: 'a password of mine' },
        }),
      200,
    ],
    ['erase the user', ({ earlier }, who) => who.call('DELETE', `/users/${earlier.id}`), 200],
  ])('after a reset a new login cannot %s, and an earlier one can', async (_what, act, status) => {
    const world = await afterReset();
    const refused = await act(world, world.later);
    expect([refused.status, refused.body.code]).toEqual([403, 'waiting_period']);
    expectStatus((await act(world, world.earlier)) as never, status);
  });

  it('after a reset a new login reveals nothing by name or by a list of ids, and an earlier one does', async () => {
    const { later, earlier, secret } = await afterReset();
    const ask = async (who: Person) => {
      const byId = await who.call('POST', '/secrets/reveal', { body: { ids: [secret.id] } });
      const byName = await who.call('POST', '/secrets/reveal', { body: { names: [secret.name] } });
      return [byId, byName].map((answer) => expectStatus(answer, 200).body.secrets[0]);
    };
    for (const item of await ask(later)) {
      expect(item.value).toBeUndefined();
      expect(item.problem.code).toBe('waiting_period');
    }
    for (const item of await ask(earlier)) expect(item.value).toBe('swordfish');
  });

  it('after a reset a new login can end itself, and no earlier login', async () => {
    const { later, earlier } = await afterReset();
    const { logins } = (await later.call('GET', '/auth/logins')).body;
    const other = logins.find((login: { current: boolean }) => !login.current);
    expect((await later.call('DELETE', `/auth/logins/${other.id}`)).body.code).toBe('waiting_period');
    expectStatus(await earlier.call('GET', '/auth/me'), 200);
    expectStatus(await later.call('POST', '/auth/logout'), 204);
    expectStatus(await later.call('GET', '/auth/me'), 401);
  });

  it('a login that waits after a reset waits on when it is refreshed', async () => {
    const { later, earlier, value } = await afterReset();
    const refresh = (who: Person) => app.call('POST', '/auth/refresh', { body: { refresh_token: who.refreshToken } });
    const renewed = later.with(expectStatus(await refresh(later), 200).body.access_token);
    expect((await value(renewed)).body.code).toBe('waiting_period');
    const own = earlier.with(expectStatus(await refresh(earlier), 200).body.access_token);
    expect((await value(own)).body.value).toBe('swordfish');
  });

  it('a reset takes nothing from earlier logins and tokens', async () => {
    const { earlier, token, value } = await afterReset();
    expect((await value(earlier)).body.value).toBe('swordfish');
    expect((await value(earlier.with(token))).body.value).toBe('swordfish');
  });

  it('a cancelled reset brings the old password back, and ends the logins that were made since', async () => {
    const { earlier, later, name, value, callOff } = await afterReset();
    expectStatus(await app.call('POST', '/auth/login', { body: { username: name, password } }), 401);
    expectStatus(await callOff(earlier), 200);
    expectStatus(await later.call('GET', '/auth/me'), 401);
    expectStatus(await app.call('POST', '/auth/login', { body: { username: name, password: resetTo } }), 401);
    const back = await logIn(app, name, password);
    expect((await value(back)).body.value).toBe('swordfish');
    expect(expectStatus(await callOff(earlier), 409).body.code).toBe('state_conflict');
  });

  it('cancelling a reset revokes the tokens that were made after it, and no earlier ones', async () => {
    const { earlier, token, tokenBody, value, callOff } = await afterReset();
    const made = expectStatus(await earlier.call('POST', '/auth/tokens', { body: tokenBody }), 201).body;
    const since = earlier.with(made.token);
    expectStatus(await since.call('GET', '/auth/me'), 200).body;
    expect((await value(since)).body.code).toBe('waiting_period');
    expectStatus(await callOff(earlier), 200);
    expectStatus(await since.call('GET', '/auth/me'), 401);
    expectStatus(await value(since), 401);
    const { tokens } = (await earlier.call('GET', '/auth/tokens')).body;
    expect(tokens.map(({ id }: { id: string }) => id)).not.toContain(made.id);
    expect((await value(earlier.with(token))).body.value).toBe('swordfish');
    const again = expectStatus(await earlier.call('POST', '/auth/tokens', { body: tokenBody }), 201).body;
    expect((await value(earlier.with(again.token))).body.value).toBe('swordfish');
  });

  it('a reset can be cancelled by an administrator, and by no other user', async () => {
    const { admin, name, callOff } = await afterReset();
    const stranger = (await people(app, admin, `stranger-${made}`))[`stranger-${made}`] as Person;
    expectStatus(await callOff(stranger), 403);
    expectStatus(await callOff(admin), 200);
    await logIn(app, name, password);
  });

  it('cancelling brings the user’s own password back even after two resets', async () => {
    const { earlier, name, reset, callOff } = await afterReset();
    expectStatus(await reset('set by an administrator again'), 200);
    expectStatus(await callOff(earlier), 200);
    for (const tried of [resetTo, 'set by an administrator again']) {
      expectStatus(await app.call('POST', '/auth/login', { body: { username: name, password: tried } }), 401);
    }
    await logIn(app, name, password);
  });

  it('once the waiting time after a reset is over, the login that waited and a new one reveal secrets', async () => {
    const { later, name, value, callOff } = await afterReset();
    const again = async (refreshToken: string): Promise<Person> => {
      const body = expectStatus(
        await app.call('POST', '/auth/refresh', { body: { refresh_token: refreshToken } }),
        200,
      ).body;
      return { ...later.with(body.access_token), refreshToken: body.refresh_token };
    };
    app.clock.advance(day - 2000);
    const waiting = await again(later.refreshToken);
    expect((await value(waiting)).body.code).toBe('waiting_period');
    app.clock.advance(1000);
    const waited = await again(waiting.refreshToken);
    expect((await value(waited)).body.value).toBe('swordfish');
    expect((await value(await logIn(app, name, resetTo))).body.value).toBe('swordfish');
    expectStatus(await callOff(waited), 409);
  });

  it('a reset, its cancellation and a reveal refused while waiting are recorded', async () => {
    const { admin, earlier, later, secret, value, callOff } = await afterReset();
    await value(later);
    expectStatus(await callOff(earlier), 200);
    const { rows } = await app.database.client.query(
      `select actor_id, action, outcome, reason from audit_log where target_id = any($1)
        and action in ('user.password_reset', 'user.reset_cancel', 'secret.reveal') order by id`,
      [[earlier.id, secret.id]],
    );
    expect(rows).toEqual([
      { actor_id: admin.id, action: 'user.password_reset', outcome: 'allowed', reason: null },
      { actor_id: earlier.id, action: 'secret.reveal', outcome: 'refused', reason: 'waiting' },
      { actor_id: earlier.id, action: 'user.reset_cancel', outcome: 'allowed', reason: null },
    ]);
  });
});
