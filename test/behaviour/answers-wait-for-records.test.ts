import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';

const value = 'swordfish-that-stays';

let app: TestApp;
let ada: Person;
let grace: Person;
let linus: Person;
let ids: Record<string, string>;
let session: string;
let revoked: Person;
let narrow: Person;

beforeAll(async () => {
  // A connection for each request, so that none waits for another one's lock.
  const env = { KEYHOLD_DATABASE_CONNECTIONS: '30' };
  app = await startApp({ env, clock: settableClock(new Date(Date.now() + 3_600_000)) });
  ({ ada, grace, linus } = await people(app, await logInAdmin(app), 'ada', 'grace', 'linus'));
  const toGrace = { value, scope: 'shared', shared_with: [grace.id] };
  const expires_at = new Date(app.clock.now().getTime() + 1000);
  const secrets = {
    PLAIN: await keepSecret(ada, { name: 'PLAIN', ...toGrace }),
    TWICE: await keepSecret(ada, { name: 'TWICE', ...toGrace }),
    'TWICE of Linus': await keepSecret(linus, { name: 'TWICE', ...toGrace }),
    USE_ONLY: await keepSecret(ada, { name: 'USE_ONLY', ...toGrace, exposure: 'use' }),
    INACTIVE: await keepSecret(ada, { name: 'INACTIVE', value }),
    EXPIRED: await keepSecret(ada, { name: 'EXPIRED', value, expires_at }),
    DELETED: await keepSecret(ada, { name: 'DELETED', value }),
  };
  ids = Object.fromEntries(Object.entries(secrets).map(([name, { id }]) => [name, id]));
  expectStatus(await ada.call('POST', `/secrets/${ids['INACTIVE']}/deactivate`), 200);
  expectStatus(await ada.call('DELETE', `/secrets/${ids['DELETED']}`), 204);
  app.clock.set(expires_at);
  session = (await startSession(ada, [linus])).id;
  const token = async (permissions: readonly string[]) =>
    expectStatus(await grace.call('POST', '/auth/tokens', { body: { name: 't', permissions, expires_in: 60 } }), 201)
      .body;
  const gone = await token(['secrets:list']);
  expectStatus(await grace.call('DELETE', `/auth/tokens/${gone.id}`), 204);
  [revoked, narrow] = [grace.with(gone.token), grace.with((await token(['secrets:use'])).token)];
});
afterAll(() => app.close());

interface Case {
  readonly what: string;
  /** Status of the answer, or of its one item where several secrets can be asked for. */
  readonly outcome: number;
  send(): Promise<Answer<any>>;
}

const one = (
  what: string,
  outcome: number,
  who: () => Person,
  method: string,
  path: () => string,
  options: () => RequestOptions = () => ({}),
): Case => ({ what, outcome, send: () => who().call(method, path(), options()) });

const byName = (what: string, outcome: number, who: () => Person, ...names: string[]): Case =>
  one(
    `a reveal by name, ${what},`,
    outcome,
    who,
    'POST',
    () => '/secrets/reveal',
    () => ({ body: { names } }),
  );

const byId = (what: string, outcome: number, who: () => Person, id: () => string): Case[] => [
  one(
    `a reveal by id, ${what},`,
    outcome,
    who,
    'POST',
    () => '/secrets/reveal',
    () => ({ body: { ids: [id()] } }),
  ),
  one(`a reveal, ${what},`, outcome, who, 'GET', () => `/secrets/${id()}/value`),
];

const idOf = (name: string) => () => ids[name] ?? '';
const asAda = () => ada;
const asGrace = () => grace;

const cases: readonly Case[] = [
  byName('of one secret', 200, asGrace, 'PLAIN'),
  byName('of nothing', 404, asGrace, 'NO_SUCH_NAME'),
  byName('of several secrets', 409, asGrace, 'TWICE'),
  byName('of a secret for use only', 403, asGrace, 'USE_ONLY'),
  byName('of an inactive secret', 409, asAda, 'INACTIVE'),
  byName('of an expired secret', 409, asAda, 'EXPIRED'),
  byName('of a deleted secret', 404, asAda, 'DELETED'),
  byName('of one secret and of nothing', 200, asGrace, 'PLAIN', 'NO_SUCH_NAME'),
  ...byId('of a secret', 200, asGrace, idOf('PLAIN')),
  ...byId('of nothing', 404, asGrace, () => randomUUID()),
  ...byId('of a secret for use only', 403, asGrace, idOf('USE_ONLY')),
  ...byId('of an inactive secret', 409, asAda, idOf('INACTIVE')),
  ...byId('of an expired secret', 409, asAda, idOf('EXPIRED')),
  ...byId('of a deleted secret', 409, asAda, idOf('DELETED')),
  one('a look at a secret', 200, asGrace, 'GET', () => `/secrets/${ids['PLAIN']}`),
  one('a look at nothing', 404, asGrace, 'GET', () => `/secrets/${randomUUID()}`),
  one('a list', 200, asGrace, 'GET', () => '/secrets'),
  one('a look at who can reach a secret', 200, asAda, 'GET', () => `/secrets/${ids['PLAIN']}/access`),
  one('a refused look at who can reach a secret', 403, asGrace, 'GET', () => `/secrets/${ids['PLAIN']}/access`),
  one('a refused change', 403, asGrace, 'POST', () => `/secrets/${ids['PLAIN']}/deactivate`),
  one('a change of nothing', 404, asGrace, 'DELETE', () => `/secrets/${randomUUID()}`),
  one(
    'a refused creation',
    409,
    asAda,
    'POST',
    () => '/secrets',
    () => ({
      body: { name: 'PLAIN', type: 'other', value },
    }),
  ),
  one(
    'a refused change of a session',
    403,
    () => linus,
    'POST',
    () => `/sessions/${session}/end`,
  ),
  one(
    'a refused change of a user',
    403,
    asGrace,
    'PATCH',
    () => `/users/${ada.id}`,
    () => ({ body: { role: 'admin' } }),
  ),
  one('a refused change of a token', 404, asGrace, 'DELETE', () => `/auth/tokens/${randomUUID()}`),
  one(
    'a request with a revoked token',
    401,
    () => revoked,
    'GET',
    () => '/secrets',
  ),
  one(
    'a request with a token that lacks the permission',
    403,
    () => narrow,
    'GET',
    () => '/secrets',
  ),
  one(
    'a request with an unknown session',
    403,
    asGrace,
    'GET',
    () => '/secrets',
    () => ({ session: 'no-such-chat' }),
  ),
  one(
    'a wrong password',
    401,
    asAda,
    'POST',
    () => '/auth/login',
    () => ({
      token: undefined,
      body: { username: 'ada', password: 'a wrong password' },
    }),
  ),
];

/** The status of a single item, where the answer is about several secrets; else the answer's own. */
const outcomeOf = ({ status, body }: Answer<any>): number =>
  Array.isArray(body.secrets) && body.secrets[0]?.asked !== undefined
    ? (body.secrets[0].problem?.status ?? 200)
    : status;

const answers = async (): Promise<Map<string, Answer<any>>> =>
  new Map(await Promise.all(cases.map(async ({ what, send }) => [what, await send()] as const)));

describe('while records cannot be written', () => {
  let before: Map<string, Answer<any>>;
  let during: Map<string, Answer<any>>;
  let after: Map<string, Answer<any>>;
  beforeAll(async () => {
    const { client } = app.database;
    before = await answers();
    await client.query('begin; lock table audit_log in access exclusive mode');
    during = await answers();
    await client.query('rollback');
    after = await answers();
  }, 120_000);

  it.each(cases)('$what is not answered before its record is written', ({ what, outcome }) => {
    const [first, blocked, last] = [before.get(what), during.get(what), after.get(what)];
    if (!first || !blocked || !last) throw new Error('there is no answer');
    expect([outcomeOf(first), outcomeOf(last)], first.text).toEqual([outcome, outcome]);
    expect([blocked.status, blocked.body.code], blocked.text).toEqual([503, 'unavailable']);
    expect(blocked.body.secrets).toBeUndefined();
    for (const word of [value, ...Object.values(ids)]) expect(blocked.text).not.toContain(word);
  });
});
