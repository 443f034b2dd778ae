import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, password, people } from '../support/people.ts';
import { storeAs } from '../support/stored-rows.ts';

const reserved = ['audit:read'] as const;

let app: TestApp;
let admin: Person;
let ada: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ada } = await people(app, admin, 'ada'));
});
afterAll(() => app.close());

const createToken = (permissions: readonly string[]) =>
  ada.call('POST', '/auth/tokens', { body: { name: 'a token', permissions, expires_in: 3600 } });

describe('a permission that grants nothing yet', () => {
  it.each(reserved)('the permission %s, which grants nothing, cannot be given to a new token', async (permission) => {
    const refused = expectStatus(await createToken(['secrets:list', permission]), 400).body;
    expect(refused).toMatchObject({ code: 'invalid_request', errors: [{ field: 'permissions/1' }] });
    expect(refused.detail).toContain('secrets:reveal');
    expect(refused.detail).not.toContain(permission);
    expectStatus(await createToken(['secrets:list', 'secrets:use']), 201);
  });

  it('a stored token keeps permissions that grant nothing, and works as before', async () => {
    const { id } = await keepSecret(ada);
    const { id: tokenId, token } = expectStatus(await createToken(['secrets:list']), 201).body;
    const permissions = ['secrets:list', ...reserved] as const;
    await storeAs(app, 'tokens', tokenId, { permissions });
    const stored = ada.with(token);
    expectStatus(await stored.call('GET', `/secrets/${id}`), 200);
    expectStatus(await stored.call('GET', `/secrets/${id}/value`), 403);
    const me = expectStatus(await stored.call('GET', '/auth/me'), 200).body;
    expect([...me.permissions].sort()).toEqual([...permissions].sort());
    const { tokens } = expectStatus(await ada.call('GET', '/auth/tokens'), 200).body;
    expect(tokens.find((one: { id: string }) => one.id === tokenId).permissions).toEqual(permissions);
  });
});

describe('the role auditor, which grants what member grants', () => {
  it('the role auditor cannot be given to a user', async () => {
    for (const answer of [
      await admin.call('POST', '/users', { body: { username: 'auditor', password, role: 'auditor' } }),
      await admin.call('PATCH', `/users/${ada.id}`, { body: { role: 'auditor' } }),
    ]) {
      expect(expectStatus(answer, 400).body).toMatchObject({ code: 'invalid_request', errors: [{ field: 'role' }] });
      expect(answer.body.detail).toContain('member, admin');
    }
    for (const role of ['admin', 'member'])
      expect(expectStatus(await admin.call('PATCH', `/users/${ada.id}`, { body: { role } }), 200).body.role).toBe(role);
  });

  it('a stored user keeps the role auditor, and can do what a member can', async () => {
    const made = expectStatus(await admin.call('POST', '/users', { body: { username: 'eve', password } }), 201).body;
    await storeAs(app, 'users', made.id, { role: 'auditor' });
    const eve = await logIn(app, 'eve');
    const { id } = await keepSecret(eve);
    expectStatus(await eve.call('GET', `/secrets/${id}/value`), 200);
    expectStatus(await eve.call('POST', '/users', { body: { username: 'nobody' } }), 403);
    expect(expectStatus(await eve.call('GET', '/auth/me'), 200).body.user.role).toBe('auditor');
    expect(expectStatus(await admin.call('GET', `/users/${eve.id}`), 200).body.role).toBe('auditor');
    expectStatus(await eve.call('PATCH', `/users/${eve.id}`, { body: { display_name: 'Eve' } }), 200);
    expectStatus(await admin.call('PATCH', `/users/${eve.id}`, { body: { role: 'member' } }), 200);
  });
});
