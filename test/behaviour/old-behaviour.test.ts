import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import {
  expectStatus,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';

/** What the secret model promised before there was a service (rows R3 and R5), on rows read back from the database. */
describe('the behaviour of the library that came before', () => {
  let app: TestApp;
  let ada: Person;
  let grace: Person;
  let alan: Person;
  beforeAll(async () => {
    app = await startApp();
    ({ ada, grace, alan } = await people(app, await logInAdmin(app), 'ada', 'grace', 'alan'));
  });
  afterAll(() => app.close());

  const rowOf = async (id: string) =>
    (await app.database.client.query('select * from secrets where id = $1', [id])).rows[0];
  const reveal = async (who: Person, id: string, session?: string) =>
    (await who.call('GET', `/secrets/${id}/value`, { session })).status;
  const post = async (who: Person, path: string, body?: unknown) =>
    expectStatus(await who.call('POST', path, body === undefined ? {} : { body }), 200).body;

  describe('creation', () => {
    it('a new secret has every column as given, and its creator as owner', async () => {
      const name = uniqueName('All.of-it');
      const given = {
        name,
        type: 'database_url',
        description: 'the staging database, 日本',
        tags: ['b', 'a', 'b', '"quoted"', '{not,an,array}'],
        metadata: { nested: { list: [1, 'two', null, true, [3]] }, b: 1, a: 2 },
        expires_at: '2099-01-31T12:34:56.789Z',
        rotate_after: '2098-01-31T12:34:56+02:00',
        exposure: 'use',
      };
      const { id } = await keepSecret(ada, { ...given, value: 'postgres://db' });
      expect(await rowOf(id)).toMatchObject({
        owner_id: ada.id,
        name,
        type: 'database_url',
        scope: 'user',
        session_id: null,
        shared_with: [],
        description: given.description,
        tags: given.tags,
        metadata: given.metadata,
        expires_at: new Date(given.expires_at),
        rotate_after: new Date('2098-01-31T10:34:56Z'),
        exposure: 'use',
        is_active: true,
        deleted_at: null,
        version: 1,
        revision: '1',
      });
      expect((await ada.call('GET', `/secrets/${id}`)).body).toMatchObject({
        ...given,
        rotate_after: '2098-01-31T10:34:56.000Z',
      });
    });

    it('a new secret gets defaults for what was left out', async () => {
      const { id } = await keepSecret(ada);
      expect(await rowOf(id)).toMatchObject({
        scope: 'user',
        session_id: null,
        shared_with: [],
        description: null,
        tags: [],
        metadata: {},
        expires_at: null,
        is_active: true,
        exposure: 'reveal',
      });
    });

    it('the value of a new secret is stored as a Fernet token', async () => {
      const { id } = await keepSecret(ada, { value: 'not to be seen' });
      const { encrypted_value } = await rowOf(id);
      expect(encrypted_value).toMatch(/^gAAAAA[A-Za-z0-9_-]+=*$/);
      expect(await reveal(ada, id)).toBe(200);
    });

    it('an owner_id that a client sends is refused', async () => {
      const body = { name: uniqueName(), type: 'other', value: 'v', owner_id: grace.id };
      expect((await ada.call('POST', '/secrets', { body })).status).toBe(400);
    });
  });

  describe('scope user', () => {
    it('a secret of user scope is its owner’s in every session, and nobody else’s', async () => {
      const session = await startSession(ada, [grace]);
      const { id } = await keepSecret(ada);
      expect([await reveal(ada, id), await reveal(ada, id, session.id)]).toEqual([200, 200]);
      expect([await reveal(grace, id), await reveal(grace, id, session.id)]).toEqual([404, 404]);
    });
  });

  describe('scope session', () => {
    it('a secret of session scope needs the matching session, except of its owner', async () => {
      const session = await startSession(ada, [grace]);
      const other = await startSession(ada, [grace]);
      const { id } = await keepSecret(ada, { scope: 'session', session_id: session.id });
      expect(await rowOf(id)).toMatchObject({ scope: 'session', session_id: session.id });
      expect(await reveal(grace, id, session.id)).toBe(200);
      expect([await reveal(grace, id), await reveal(grace, id, other.id), await reveal(alan, id)]).toEqual([
        404, 404, 404,
      ]);
      expect([await reveal(ada, id), await reveal(ada, id, other.id)]).toEqual([200, 200]);
    });
  });

  describe('scope shared', () => {
    it('a shared secret is for the users in its list, which is in the row', async () => {
      const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
      expect((await rowOf(id)).shared_with).toEqual([grace.id]);
      expect([await reveal(ada, id), await reveal(grace, id), await reveal(alan, id)]).toEqual([200, 200, 404]);
    });
  });

  describe('sharing', () => {
    it('sharing a secret is stored, and sharing it twice is the same as once', async () => {
      const { id } = await keepSecret(ada);
      for (let times = 1; times <= 2; times += 1) {
        expect(await post(ada, `/secrets/${id}/share`, { user_id: grace.id })).toMatchObject({
          scope: 'shared',
          shared_with: [grace.id],
        });
        expect(await rowOf(id)).toMatchObject({ scope: 'shared', shared_with: [grace.id] });
      }
      expect(await reveal(grace, id)).toBe(200);
    });

    it('unsharing a secret is stored, and unsharing it twice is the same as once', async () => {
      const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id, alan.id] });
      await post(ada, `/secrets/${id}/unshare`, { user_id: grace.id });
      expect(await rowOf(id)).toMatchObject({ scope: 'shared', shared_with: [alan.id] });
      expect([await reveal(grace, id), await reveal(alan, id)]).toEqual([404, 200]);
      for (let times = 1; times <= 2; times += 1) {
        await post(ada, `/secrets/${id}/unshare`, { username: 'alan' });
        expect(await rowOf(id)).toMatchObject({ scope: 'user', shared_with: [] });
      }
      expect([await reveal(alan, id), await reveal(ada, id)]).toEqual([404, 200]);
    });

    it('a secret can be shared again after it was unshared', async () => {
      const { id } = await keepSecret(ada);
      await post(ada, `/secrets/${id}/share`, { user_id: grace.id });
      await post(ada, `/secrets/${id}/unshare`, { user_id: grace.id });
      await post(ada, `/secrets/${id}/share`, { user_id: grace.id });
      expect(await reveal(grace, id)).toBe(200);
    });

    it('sharing with oneself, with an unknown user or of a session secret is refused and changes nothing', async () => {
      const session = await startSession(ada);
      const plain = await keepSecret(ada);
      const inside = await keepSecret(ada, { scope: 'session', session_id: session.id });
      const before = [await rowOf(plain.id), await rowOf(inside.id)];
      const share = (id: string, body: object) => ada.call('POST', `/secrets/${id}/share`, { body });
      expect((await share(plain.id, { user_id: ada.id })).status).toBe(400);
      expect((await share(plain.id, { username: 'nobody at all' })).status).toBe(400);
      expect(await share(inside.id, { user_id: grace.id })).toMatchObject({
        status: 409,
        body: { code: 'state_conflict', detail: expect.stringMatching(/transfer/i) },
      });
      expect([await rowOf(plain.id), await rowOf(inside.id)]).toEqual(before);
    });
  });

  describe('activate and deactivate', () => {
    it('deactivating a secret cuts everybody off, and activating it brings everybody back, in the row too', async () => {
      const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
      expect(await post(ada, `/secrets/${id}/deactivate`)).toMatchObject({ is_active: false, state: 'inactive' });
      expect((await rowOf(id)).is_active).toBe(false);
      expect([await reveal(ada, id), await reveal(grace, id)]).toEqual([409, 404]);
      expect((await ada.call('GET', `/secrets/${id}`)).status).toBe(200);
      expect(await post(ada, `/secrets/${id}/activate`)).toMatchObject({ is_active: true, state: 'live' });
      expect((await rowOf(id)).is_active).toBe(true);
      expect([await reveal(ada, id), await reveal(grace, id)]).toEqual([200, 200]);
    });
  });

  describe('persistence of tags and lists', () => {
    it('tags keep their order, doubles and unusual characters through a change', async () => {
      const { id } = await keepSecret(ada, { tags: ['first'] });
      const tags = ['z', 'a', 'z', '\u{1f511}', 'e\u0301', '\\', '[]', "'; drop table secrets --"];
      expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { tags } }), 200);
      expect((await rowOf(id)).tags).toEqual(tags);
      for (const tag of tags) {
        const found = (await ada.call('GET', `/secrets?tag=${encodeURIComponent(tag)}`)).body.secrets;
        expect(found.map((one: { id: string }) => one.id)).toContain(id);
      }
      expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { tags: [], description: null } }), 200);
      expect((await rowOf(id)).tags).toEqual([]);
    });

    it('a change leaves everything that it does not name', async () => {
      const { id } = await keepSecret(ada, { tags: ['kept'], metadata: { kept: true }, description: 'kept' });
      expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { type: 'token' } }), 200);
      expect(await rowOf(id)).toMatchObject({
        type: 'token',
        tags: ['kept'],
        metadata: { kept: true },
        description: 'kept',
        revision: '2',
      });
    });
  });

  // Last, since it moves the clock on and the logins of before are over then.
  describe('expiry', () => {
    it('a secret expires at its expires_at for everybody without a write, and an extension brings it back', async () => {
      const expires = new Date(app.clock.now().getTime() + 60_000);
      const { id } = await keepSecret(ada, {
        scope: 'shared',
        shared_with: [grace.id],
        expires_at: expires.toISOString(),
      });
      const before = await rowOf(id);
      app.clock.advance(59_999);
      expect([await reveal(ada, id), await reveal(grace, id)]).toEqual([200, 200]);
      app.clock.advance(1);
      expect([await reveal(ada, id), await reveal(grace, id)]).toEqual([409, 404]);
      expect((await ada.call('GET', `/secrets/${id}`)).body).toMatchObject({ state: 'expired', is_active: true });
      expect(await rowOf(id)).toEqual(before);
      const later = new Date(expires.getTime() + 60_000).toISOString();
      expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { expires_at: later } }), 200);
      expect([await reveal(ada, id), await reveal(grace, id)]).toEqual([200, 200]);
      expect((await rowOf(id)).expires_at).toEqual(new Date(later));
    });

    it('a secret cannot be created with an expires_at in the past', async () => {
      const body = { name: uniqueName(), type: 'other', value: 'v', expires_at: app.clock.now().toISOString() };
      expect((await ada.call('POST', '/secrets', { body })).status).toBe(400);
    });
  });
});
