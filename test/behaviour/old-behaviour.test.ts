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
describe('the old behaviour', () => {
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
    it('keeps every column as it was given, owned by whoever asked', async () => {
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

    it('fills in what was left out', async () => {
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

    it('keeps the value encrypted, as a Fernet token', async () => {
      const { id } = await keepSecret(ada, { value: 'not to be seen' });
      const { encrypted_value } = await rowOf(id);
      expect(encrypted_value).toMatch(/^gAAAAA[A-Za-z0-9_-]+=*$/);
      expect(await reveal(ada, id)).toBe(200);
    });

    it('believes no owner_id from a client', async () => {
      const body = { name: uniqueName(), type: 'other', value: 'v', owner_id: grace.id };
      expect((await ada.call('POST', '/secrets', { body })).status).toBe(400);
    });
  });

  describe('scope user', () => {
    it('is the owner’s, in every session, and nobody else’s', async () => {
      const session = await startSession(ada, [grace]);
      const { id } = await keepSecret(ada);
      expect([await reveal(ada, id), await reveal(ada, id, session.id)]).toEqual([200, 200]);
      expect([await reveal(grace, id), await reveal(grace, id, session.id)]).toEqual([404, 404]);
    });
  });

  describe('scope session', () => {
    it('needs the matching session, except of the owner', async () => {
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
    it('is for those who are listed, and the list is in the row', async () => {
      const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
      expect((await rowOf(id)).shared_with).toEqual([grace.id]);
      expect([await reveal(ada, id), await reveal(grace, id), await reveal(alan, id)]).toEqual([200, 200, 404]);
    });
  });

  describe('sharing', () => {
    it('is persisted, and twice is the same as once', async () => {
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

    it('is taken back for good: the row read again has forgotten it, and twice is the same as once', async () => {
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

    it('can be given again after it was taken back', async () => {
      const { id } = await keepSecret(ada);
      await post(ada, `/secrets/${id}/share`, { user_id: grace.id });
      await post(ada, `/secrets/${id}/unshare`, { user_id: grace.id });
      await post(ada, `/secrets/${id}/share`, { user_id: grace.id });
      expect(await reveal(grace, id)).toBe(200);
    });

    it('refuses oneself, the unknown, and a session’s secret, and changes nothing then', async () => {
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
    it('switch everybody off and on again, in the row too', async () => {
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
    it('keeps order, doubles and odd characters through a change', async () => {
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

    it('leaves what a change does not name', async () => {
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
    it('comes at expires_at for everybody, with nothing written, and an extension takes it back', async () => {
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

    it('cannot lie in the past', async () => {
      const body = { name: uniqueName(), type: 'other', value: 'v', expires_at: app.clock.now().toISOString() };
      expect((await ada.call('POST', '/secrets', { body })).status).toBe(400);
    });
  });
});
