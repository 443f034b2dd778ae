import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';

describe('storing a secret', () => {
  let app: TestApp;
  let ada: Person;
  let grace: Person;
  beforeAll(async () => {
    app = await startApp();
    ({ ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace'));
  });
  afterAll(() => app.close());

  it('the owner of a secret gets its value back, and nobody else gets anything', async () => {
    const secret = await keepSecret(ada, { value: 'swordfish' });
    expect(secret.value).toBeUndefined();
    expect((await ada.call('GET', `/secrets/${secret.id}/value`)).body).toMatchObject({
      value: 'swordfish',
      version: 1,
    });
    expect((await grace.call('GET', `/secrets/${secret.id}/value`)).status).toBe(404);
    expect((await grace.call('GET', `/secrets/${secret.id}`)).status).toBe(404);
  });

  it('a grantee reveals a secret until its owner unshares it', async () => {
    const secret = await keepSecret(ada);
    expect((await ada.call('POST', `/secrets/${secret.id}/share`, { body: { username: 'grace' } })).body).toMatchObject(
      { scope: 'shared', shared_with: [grace.id] },
    );
    expect((await grace.call('GET', `/secrets/${secret.id}/value`)).status).toBe(200);
    expect((await grace.call('GET', '/secrets')).body.secrets).toMatchObject([{ id: secret.id, access: 'shared' }]);
    expect(
      (await ada.call('POST', `/secrets/${secret.id}/unshare`, { body: { user_id: grace.id } })).body,
    ).toMatchObject({ scope: 'user', shared_with: [] });
    expect((await grace.call('GET', `/secrets/${secret.id}/value`)).status).toBe(404);
  });

  it('a secret in a session is revealed to its participants until the session ends', async () => {
    const session = await startSession(ada, [grace], { external_id: 'chat-1' });
    const secret = await keepSecret(ada, { scope: 'session', session_id: 'chat-1' });
    expect(secret.session_id).toBe(session.id);
    const inside = { session: 'chat-1' };
    expect((await grace.call('GET', `/secrets/${secret.id}/value`, inside)).status).toBe(200);
    expect((await grace.call('GET', `/secrets/${secret.id}/value`)).status).toBe(404);
    expect((await ada.call('POST', `/sessions/${session.id}/end`)).body.status).toBe('ended');
    expect((await grace.call('GET', `/secrets/${secret.id}/value`, inside)).body.code).toBe('session_not_joined');
    expect((await ada.call('GET', `/secrets/${secret.id}/value`)).status).toBe(200);
  });
});
