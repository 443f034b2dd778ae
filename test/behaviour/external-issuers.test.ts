import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuerConfig } from '../../src/config/issuers.ts';
import { Redacted } from '../../src/core/redacted.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { freshDatabase } from '../support/database.ts';
import { newIssuer, publicJwk, startIssuerHost } from '../support/external-issuer.ts';
import {
  encode,
  forge,
  forgeEncoded,
  type Members,
  macSigner,
  otherSpellings,
  signer,
} from '../support/forged-tokens.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';

const sharedSecret = 'a shared secret of more than 32 bytes';
const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

const host = await startIssuerHost();
afterAll(() => host.stop());

/** An issuer in the form that KEYHOLD_JWT_ISSUERS has. */
const setting = ({ issuer, audience, keys, suppliesIds, mayCreateUsers }: IssuerConfig): object => ({
  issuer,
  audience,
  ...(keys.kind === 'jwks' ? { jwks_url: keys.url } : { hs256_secret: sharedSecret }),
  supplies_ids: suppliesIds,
  may_create_users: mayCreateUsers,
});

type Sign = (claims: Members, header?: Members) => string;

interface Issuer {
  readonly config: IssuerConfig;
  readonly key: KeyObject;
  readonly setting: object;
}

const published = (change: Partial<IssuerConfig> = {}): Issuer => {
  const key = ed25519();
  // Every issuer calls its key by the same name.
  const { config } = newIssuer(host, [publicJwk(key, { kid: 'k1' })], { mayCreateUsers: true, ...change });
  return { config, key, setting: setting(config) };
};

const withSecret = (): Issuer => {
  const keys = { kind: 'hs256', secret: new Redacted(Buffer.from(sharedSecret)) } as const;
  const { config } = newIssuer(host, [], { mayCreateUsers: true, keys });
  return { config, key: ed25519(), setting: setting(config) };
};

const claimsOf = (app: TestApp, { config }: Issuer, claims: Members): Members => {
  const now = Math.floor(app.clock.now().getTime() / 1000);
  return { iss: config.issuer, aud: config.audience, iat: now, exp: now + 3600, ...claims };
};

/** What this issuer's own login hands out. */
const signing = (app: TestApp, issuer: Issuer): Sign => {
  const sign = signer('EdDSA', issuer.key);
  return (claims, header = {}) => forge({ alg: 'EdDSA', kid: 'k1', ...header }, claimsOf(app, issuer, claims), sign);
};

const startWith = (issuers: readonly Issuer[], more: Parameters<typeof startApp>[0] = {}): Promise<TestApp> =>
  startApp({ ...more, env: { KEYHOLD_JWT_ISSUERS: JSON.stringify(issuers.map((issuer) => issuer.setting)) } });

const me = (app: TestApp, token: string, session?: string) => app.call('GET', '/auth/me', { token, session });

/** Whom the token is taken for. */
const userOf = async (app: TestApp, token: string): Promise<Record<string, unknown>> =>
  expectStatus(await me(app, token), 200).body.user;

const personOf = async (app: TestApp, token: string): Promise<Person> => {
  const { id, username } = (await userOf(app, token)) as { id: string; username: string };
  const by = (other: string): Person => ({
    id,
    username,
    token: other,
    refreshToken: '',
    call: (method, path, options = {}) => app.call(method, path, { token: other, ...options }),
    with: by,
  });
  return by(token);
};

const countUsers = async (app: TestApp): Promise<number> =>
  (await app.database.client.query('select count(*)::int as users from users')).rows[0].users;

const lastRecord = async (app: TestApp, action: string): Promise<Record<string, unknown>> =>
  (await app.database.client.query('select * from audit_log where action = $1 order by id desc limit 1', [action]))
    .rows[0];

describe('a user of an external issuer', () => {
  const first = published();
  const second = published();
  const third = withSecret();
  let app: TestApp;
  let admin: Person;
  let ada: Person;
  let byFirst: Sign;
  let bySecond: Sign;
  const byThird: Sign = (claims) => forge({ alg: 'HS256' }, claimsOf(app, third, claims), macSigner(sharedSecret));
  beforeAll(async () => {
    app = await startWith([first, second, third]);
    admin = await logInAdmin(app);
    ({ ada } = await people(app, admin, 'ada'));
    byFirst = signing(app, first);
    bySecond = signing(app, second);
  });
  afterAll(() => app.close());

  it('an external user becomes a member at the first request and stays the same user, whatever else later tokens say', async () => {
    const made = await userOf(
      app,
      byFirst({ sub: 's-1', preferred_username: 'mary', email: 'mary@a.test', name: 'M' }),
    );
    expect(made).toMatchObject({ username: 'mary', email: 'mary@a.test', display_name: 'M', role: 'member' });
    expect(made).toMatchObject({ issuer: first.config.issuer });
    const renamed = byFirst({ sub: 's-1', preferred_username: 'admin', email: 'admin@a.test', role: 'admin' });
    expect(await userOf(app, renamed)).toMatchObject({ id: made['id'], username: 'mary', role: 'member' });
    expect(await userOf(app, byFirst({ sub: 's-1' }))).toMatchObject({ id: made['id'] });
  });

  it('the secrets of an external user are out of reach for another subject and for the same subject at another issuer', async () => {
    const owner = await personOf(app, byFirst({ sub: 'kept', preferred_username: 'keeper' }));
    const secret = await keepSecret(owner, { value: 'swordfish' });
    expect((await owner.call('GET', `/secrets/${secret.id}/value`)).body.value).toBe('swordfish');
    const others = [
      byFirst({ sub: 'kept2', preferred_username: 'keeper2' }),
      bySecond({ sub: 'kept', preferred_username: 'keeper-of-second' }),
      byThird({ sub: 'kept', preferred_username: 'keeper-of-third' }),
      bySecond({ sub: owner.id, preferred_username: 'keeper-by-id', email: 'keeper@a.test' }),
    ];
    for (const token of others) {
      expect((await userOf(app, token))['id']).not.toBe(owner.id);
      expect((await app.call('GET', `/secrets/${secret.id}/value`, { token })).status).toBe(404);
    }
  });

  it('an external user whose subject is the id of an existing user becomes a user of their own', async () => {
    const posing = await userOf(app, bySecond({ sub: ada.id, preferred_username: 'posing-by-id' }));
    expect(posing['id']).not.toBe(ada.id);
    expect(await userOf(app, bySecond({ sub: 'x-1', preferred_username: 'own-name' }))).toMatchObject({
      username: 'own-name',
    });
  });

  it.each([
    ['as it is', 'ada'],
    ['in capitals', 'ADA'],
    ['in full width', 'ａｄａ'],
  ])(
    'an external user with the username of an existing user (%s) is refused and told what to do',
    async (_how, name) => {
      const before = await countUsers(app);
      const answer = expectStatus(await me(app, bySecond({ sub: 'poser', preferred_username: name })), 409);
      expect(answer.body).toMatchObject({ code: 'name_taken', detail: expect.stringContaining('administrator') });
      expect(await countUsers(app)).toBe(before);
      expect((await userOf(app, ada.token))['id']).toBe(ada.id);
    },
  );

  it('an external user whose username was taken is let in once the issuer changed it', async () => {
    expectStatus(await me(app, bySecond({ sub: 'poser-2', preferred_username: 'ada' })), 409);
    expect(await userOf(app, bySecond({ sub: 'poser-2', preferred_username: 'ada.second' }))).toMatchObject({
      username: 'ada.second',
    });
  });

  it('an external user with the email of an existing user becomes a user of their own', async () => {
    expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { email: 'ada@a.test' } }), 200);
    const secret = await keepSecret(ada);
    const token = bySecond({ sub: 'mail', preferred_username: 'mail', email: 'ada@a.test', email_verified: true });
    const posing = await userOf(app, token);
    expect(posing).toMatchObject({ username: 'mail', email: 'ada@a.test' });
    expect(posing['id']).not.toBe(ada.id);
    expect((await app.call('GET', `/secrets/${secret.id}`, { token })).status).toBe(404);
    expect((await ada.call('GET', `/secrets/${secret.id}`)).status).toBe(200);
  });

  it('an external user cannot log in with a password', async () => {
    await userOf(app, byFirst({ sub: 'no-password', preferred_username: 'no-password' }));
    for (const password of ['', 'null', 'a password for tests'].filter(Boolean)) {
      expectStatus(await app.call('POST', '/auth/login', { body: { username: 'no-password', password } }), 401);
    }
    expectStatus(
      await app.call('POST', '/auth/login', { body: { username: 'ada', password: 'a password for tests' } }),
      200,
    );
  });

  it('an external user whose first requests come together is created once', async () => {
    const token = byFirst({ sub: 'at-once', preferred_username: 'at-once' });
    const answers = await Promise.all(Array.from({ length: 8 }, () => userOf(app, token)));
    expect(new Set(answers.map((user) => user['id'])).size).toBe(1);
  });

  it('an external user is refused as soon as they are disabled, and let in again once they are enabled', async () => {
    const token = byFirst({ sub: 'resting', preferred_username: 'resting' });
    const { id } = await userOf(app, token);
    const set = (status: string) => admin.call('PATCH', `/users/${id}`, { body: { status } });
    expectStatus(await set('disabled'), 200);
    expectStatus(await me(app, token), 401);
    expect(await lastRecord(app, 'login.refused')).toMatchObject({ actor_id: id, reason: 'user_disabled' });
    expectStatus(await set('active'), 200);
    expectStatus(await me(app, token), 200);
  });

  it('an issuer with a shared secret can vouch for users too', async () => {
    expect(await userOf(app, byThird({ sub: 'h-1', preferred_username: 'hans' }))).toMatchObject({
      username: 'hans',
      issuer: third.config.issuer,
    });
  });

  it('the agent that an external token names is recorded', async () => {
    const owner = await personOf(app, byFirst({ sub: 'acting', preferred_username: 'acting' }));
    const secret = await keepSecret(owner);
    const token = byFirst({ sub: 'acting', act: { sub: 'builder' } });
    expect(expectStatus(await me(app, token), 200).body).toMatchObject({ agent: 'builder', user: { id: owner.id } });
    expectStatus(await app.call('GET', `/secrets/${secret.id}/value`, { token }), 200);
    expect(await lastRecord(app, 'secret.reveal')).toMatchObject({ actor_id: owner.id, agent: 'builder' });
    const tokenBody = { name: 't', permissions: ['secrets:list'], expires_in: 60 };
    expect((await app.call('POST', '/auth/tokens', { token, body: tokenBody })).body.code).toBe('permission_missing');
    expectStatus(await owner.call('POST', '/auth/tokens', { body: tokenBody }), 201);
  });

  describe('in a session that the token names', () => {
    let host: Person;
    let mary: Person;
    let session: { id: string };
    let secret: { id: string };
    /** The host’s session under this external id of the platform. */
    const started = (external_id: string) =>
      startSession(host.with(byFirst({ sub: 's-0', sid: external_id })), [mary], { external_id });
    beforeAll(async () => {
      host = await personOf(app, byFirst({ sub: 's-0', preferred_username: 'host' }));
      mary = await personOf(app, byFirst({ sub: 's-1', preferred_username: 'mary' }));
      session = await started('chat-7');
      secret = await keepSecret(host, { scope: 'session', session_id: session.id, value: 'in session' });
    });
    const value = (token: string, header?: string) =>
      app.call('GET', `/secrets/${secret.id}/value`, { token, session: header });

    it('an external token reaches the secrets of the session that it names, by either id, and without a session reaches none of them', async () => {
      for (const sid of [session.id, 'chat-7']) {
        expect((await value(byFirst({ sub: 's-1', sid }))).body.value).toBe('in session');
        expect((await me(app, byFirst({ sub: 's-1', sid }))).body.session_id).toBe(session.id);
      }
      expectStatus(await value(byFirst({ sub: 's-1' })), 404);
    });

    it('X-Session-Id may repeat the session of an external token, and may not name another one', async () => {
      const other = await started('chat-8');
      const token = byFirst({ sub: 's-1', sid: 'chat-7' });
      for (const same of [session.id, 'chat-7']) expectStatus(await value(token, same), 200);
      for (const different of [other.id, 'chat-8', 'chat-9', '']) {
        expect(expectStatus(await value(token, different), 403).body.code).toBe('session_not_joined');
      }
      expectStatus(await value(byFirst({ sub: 's-1' }), 'chat-7'), 200);
    });

    it('an external token that names a session is refused everywhere if its user is not in that session', async () => {
      const stranger = { sub: 'stranger', preferred_username: 'stranger' };
      expectStatus(await me(app, byFirst(stranger)), 200);
      for (const sid of [session.id, 'chat-7', 'no-such-chat', '..', ada.id]) {
        expect(expectStatus(await me(app, byFirst({ ...stranger, sid })), 403).body.code).toBe('session_not_joined');
      }
      expectStatus(
        await host.call('POST', `/sessions/${session.id}/participants`, { body: { username: 'stranger' } }),
        201,
      );
      expectStatus(await value(byFirst({ ...stranger, sid: 'chat-7' })), 200);
    });
  });
});

describe('an issuer that supplies ids', () => {
  const supplying = published({ suppliesIds: true });
  const other = published();
  let app: TestApp;
  let ada: Person;
  let bySupplier: Sign;
  beforeAll(async () => {
    app = await startWith([supplying, other]);
    ({ ada } = await people(app, await logInAdmin(app), 'ada'));
    bySupplier = signing(app, supplying);
  });
  afterAll(() => app.close());

  it('an issuer that supplies ids gives new users its subject as their id', async () => {
    const sub = '0198F1C2-0000-7000-8000-00000000000A';
    const user = await userOf(app, bySupplier({ sub, preferred_username: 'given' }));
    expect(user['id']).toBe(sub.toLowerCase());
    expect((await userOf(app, bySupplier({ sub })))['id']).toBe(sub.toLowerCase());
  });

  it('an issuer that supplies ids cannot give a new user the id of an existing one, in any spelling', async () => {
    const outsider = await userOf(app, signing(app, other)({ sub: 'o-1', preferred_username: 'outsider' }));
    const before = await countUsers(app);
    for (const id of [ada.id, ada.id.toUpperCase(), String(outsider['id'])]) {
      const answer = await me(app, bySupplier({ sub: id, preferred_username: 'posing' }));
      expect(expectStatus(answer, 409).body.code).toBe('name_taken');
    }
    expect(await countUsers(app)).toBe(before);
    const free = ada.id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    expect((await userOf(app, bySupplier({ sub: free, preferred_username: 'posing' })))['id']).toBe(free);
  });

  it.each(['not-a-uuid', '0198f1c2', `{0198f1c2-0000-7000-8000-00000000000b}`, '0198f1c2000070008000000000000000b'])(
    'an issuer that supplies ids creates no user from the subject %s, which is not an id',
    async (sub) => {
      const before = await countUsers(app);
      expectStatus(await me(app, bySupplier({ sub, preferred_username: `user-${sub}` })), 409);
      expect(await countUsers(app)).toBe(before);
      const valid = signing(app, other)({ sub, preferred_username: `user-${sub}` });
      expectStatus(await me(app, valid), 200);
    },
  );
});

describe('an issuer that may not create users', () => {
  it('an issuer that may no longer create users lets in those that it created, and no new ones', async () => {
    const database = await freshDatabase();
    const rootKey = `${Buffer.alloc(32, 7).toString('base64url')}=`;
    const open = published();
    const closed = { ...open, setting: { ...open.setting, may_create_users: false } };

    const before = await startWith([open], { database, rootKey });
    const known = { sub: 'known', preferred_username: 'known' };
    const { id } = await userOf(before, signing(before, open)(known));
    await before.close();

    const after = await startWith([closed], { database, rootKey });
    const users = await countUsers(after);
    expect((await userOf(after, signing(after, closed)(known)))['id']).toBe(id);
    expectStatus(await me(after, signing(after, closed)({ sub: 'new', preferred_username: 'new' })), 401);
    expect(await countUsers(after)).toBe(users);
    await after.close();
    await database.drop();
  });
});

describe('a forged external token', () => {
  const first = published();
  const second = published();
  const third = withSecret();
  let app: TestApp;
  beforeAll(async () => {
    app = await startWith([first, second, third]);
  });
  afterAll(() => app.close());

  const claims = (change: Members = {}) => claimsOf(app, first, { sub: 'u1', preferred_username: 'u1', ...change });
  const own = (change: Members = {}, header: Members = {}) =>
    forge({ alg: 'EdDSA', kid: 'k1', ...header }, claims(change), signer('EdDSA', first.key));
  const seconds = () => Math.floor(app.clock.now().getTime() / 1000);
  const unsigned = () => '';
  const publicPem = () => Buffer.from(JSON.stringify(publicJwk(first.key)));

  it.each<[string, () => string]>([
    ['without a signature', () => forge({ alg: 'EdDSA', kid: 'k1' }, claims(), unsigned)],
    ['with the algorithm none', () => forge({ alg: 'none' }, claims(), unsigned)],
    ['with the algorithm nOnE', () => forge({ alg: 'nOnE', kid: 'k1' }, claims(), unsigned)],
    [
      'signed by a key that nobody published',
      () => forge({ alg: 'EdDSA', kid: 'k1' }, claims(), signer('EdDSA', ed25519())),
    ],
    [
      'signed by another issuer, under the same kid',
      () => forge({ alg: 'EdDSA', kid: 'k1' }, claims(), signer('EdDSA', second.key)),
    ],
    [
      'of an issuer with a shared secret, in place of its key',
      () => forge({ alg: 'HS256', kid: 'k1' }, claims(), macSigner(sharedSecret)),
    ],
    [
      'with the public key as a shared secret',
      () => forge({ alg: 'HS256', kid: 'k1' }, claims(), macSigner(publicPem())),
    ],
    [
      'of the issuer with a secret, signed by a published key',
      () =>
        forge(
          { alg: 'EdDSA', kid: 'k1' },
          claimsOf(app, third, { sub: 'u1', preferred_username: 'u1' }),
          signer('EdDSA', first.key),
        ),
    ],
    ['with a kid that was not published', () => own({}, { kid: 'k2' })],
    ['that brings its key', () => own({}, { jwk: publicJwk(first.key) })],
    ['that names an address for its key', () => own({}, { jku: `${host.origin}/jwks` })],
    ['that names an address for its certificate', () => own({}, { x5u: `${host.origin}/x5u` })],
    ['with critical extensions', () => own({}, { crit: ['exp'] })],
    ['with an unencoded payload', () => own({}, { crit: ['b64'], b64: false })],
    ['with several issuers', () => own({ iss: [first.config.issuer] })],
    ['of an issuer that is unknown', () => own({ iss: 'https://unknown.test' })],
    ['for another audience', () => own({ aud: 'other' })],
    ['without an audience', () => own({ aud: undefined })],
    ['without a subject', () => own({ sub: undefined })],
    ['with an empty subject', () => own({ sub: '' })],
    ['that is over', () => own({ exp: seconds() - 1 })],
    ['without an end', () => own({ exp: undefined })],
    ['that begins later', () => own({ nbf: seconds() + 3600 })],
    ['with an agent that is not understood', () => own({ act: 'bot' })],
    ['with a session that is not understood', () => own({ sid: 7 })],
    ['without a name for a new user', () => own({ sub: 'nameless', preferred_username: undefined })],
    ['with an invisible name for a new user', () => own({ sub: 'unseen', preferred_username: 'a\u202eb' })],
    [
      'with a duplicate member',
      () => forge(`{"alg":"EdDSA","alg":"EdDSA","kid":"k1"}`, claims(), signer('EdDSA', first.key)),
    ],
    ['with a fourth part', () => `${own()}.x`],
    ['cut short', () => own().slice(0, -1)],
  ])('an external token %s is refused and creates no user, while a valid one is accepted', async (_what, forged) => {
    const before = await countUsers(app);
    const answer = expectStatus(await me(app, forged()), 401);
    expect(answer.body.code).toBe('unauthenticated');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(await countUsers(app)).toBe(before);
    expect(await userOf(app, own())).toMatchObject({ username: 'u1' });
  });

  it('an external token in another spelling than the canonical one is refused', async () => {
    const sign = signer('EdDSA', first.key);
    // The payload's last group must not be full, so that there are other spellings of it.
    const payload = [...Array(3).keys()]
      .map((more) => encode(claims({ pad: 'x'.repeat(more) })))
      .find((text) => text.length % 4 !== 0) as string;
    const header = encode({ alg: 'EdDSA', kid: 'k1', pad: '' });
    expectStatus(await me(app, forgeEncoded(header, payload, sign)), 200);
    for (const spelling of otherSpellings(payload).filter((text) => !/\s/.test(text))) {
      expectStatus(await me(app, forgeEncoded(header, spelling, sign)), 401);
    }
  });

  it('no address that an external token names is ever fetched', async () => {
    expectStatus(await me(app, own({}, { jku: `${host.origin}/planted` })), 401);
    expectStatus(await me(app, own()), 200);
    expect(host.requestsTo('/planted')).toBe(0);
  });
});
