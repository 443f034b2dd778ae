import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { isFull, seed } from '../support/counts.ts';
import type { RequestOptions } from '../support/http.ts';
import {
  expectStatus,
  joinSession,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  people,
  uniqueName,
} from '../support/people.ts';
import { createPlatform } from '../support/platform.ts';

const second = 1000;
const minute = 60_000;
const hour = 3_600_000;
const histories = isFull ? 2000 : 20;
const platform = createPlatform('https://platform.example');

/** What others do: two people, one of whom owns the session. */
const actsOfOthers = [
  'invite',
  'invite with a key',
  'invite by name',
  'remove',
  'rename',
  'end',
  'leave',
  'join',
  'start another session of that name',
  'ask for the user’s joining',
  'replay',
] as const;
/** What the user's agents, tokens and open clients do. */
const actsOfTheirs = [
  'name the id',
  'name the external id',
  'use the bound token',
  'join with the bound token',
  'use an earlier token of the issuer',
  'put a secret in',
  'import a secret',
  'move the secret in',
  'make a token',
  'look',
  'leave again',
] as const;

/** Those of them that accept no invitation. */
const acceptsNothing: readonly string[] = ['name the external id', 'look', 'leave again'];

const actOfOthers = fc.record({
  kind: fc.constant('others' as const),
  what: fc.constantFrom(...actsOfOthers),
  by: fc.integer({ min: 0, max: 1 }),
  pick: fc.nat(99),
  later: fc.constantFrom(0, 1, second),
});
const actOfTheirs = fc.record({
  kind: fc.constant('theirs' as const),
  what: fc.constantFrom(...actsOfTheirs),
  later: fc.constantFrom(0, 1, second),
});
interface Act {
  readonly kind: 'others' | 'theirs';
  readonly what: string;
  /** Who of the two others, and which earlier request is replayed. */
  readonly by?: number;
  readonly pick?: number;
  /** How long after the act before it, in milliseconds. */
  readonly later: number;
}

/** A user in a session, who leaves it or never joins, and what happens then. */
const history = fc.record({
  user: fc.constantFrom('ours' as const, 'the platform’s' as const),
  started: fc.constantFrom('by others' as const, 'by the user' as const),
  left: fc.constantFrom('by themselves' as const, 'removed' as const, 'never joined' as const),
  acts: fc.array(fc.oneof({ weight: 3, arbitrary: actOfOthers }, { weight: 2, arbitrary: actOfTheirs }), {
    minLength: 3,
    maxLength: 10,
  }),
  back: fc.constantFrom('by joining' as const, 'by a later token' as const),
});

type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

describe('a user’s consent to be in a session', () => {
  let app: TestApp;
  let ours: Person;
  let theirs: Person;
  let others: readonly [Person, Person];
  beforeAll(async () => {
    const env = { KEYHOLD_JWT_ISSUERS: JSON.stringify([platform.setting]) };
    app = await startApp({ env, clock: settableClock(new Date(Math.ceil((Date.now() + hour) / second) * second)) });
    const made = await people(app, await logInAdmin(app), 'ours', 'oscar', 'paula');
    ours = made.ours;
    others = [made.oscar, made.paula];
    theirs = await platform.person(app, 'theirs');
  });

  let loggedInAt: Date | null = null;
  /** Logs everybody in again before their access tokens expire, which the histories take long enough for. */
  const logInAgain = async (): Promise<void> => {
    const now = app.clock.now();
    if (loggedInAt !== null && now.getTime() - loggedInAt.getTime() < 5 * minute) return;
    loggedInAt = now;
    ours = await logIn(app, 'ours');
    others = [await logIn(app, 'oscar'), await logIn(app, 'paula')];
  };
  afterAll(() => app.close());

  interface Request {
    readonly by: Person;
    readonly method: string;
    readonly path: string;
    readonly options: RequestOptions;
  }

  /** One session of one history, with the user of whom it is told. */
  interface Scene {
    readonly user: Person;
    /** A token of before they left, by which an issuer's user was in the session. */
    readonly claiming: Person;
    readonly id: string;
    readonly name: string;
    /** The secret that they lent to the session, and a token that is bound to it; null where they never joined. */
    readonly lent: string | null;
    readonly bound: Person | null;
    readonly outside: string;
    readonly key: string;
    /** Every request of others so far. */
    readonly sent: Request[];
  }

  const tokenIn = async (user: Person, session_id: string): Promise<Person> => {
    const permissions = ['secrets:list', 'secrets:write', 'sessions:read', 'sessions:write', 'secrets:own'];
    const body = { name: 'bound', permissions, session_id, expires_in: 86_400 };
    return user.with(expectStatus(await user.call('POST', '/auth/tokens', { body }), 201).body.token);
  };

  const begin = async ({ user: whose, started, left }: History): Promise<Scene> => {
    const user = whose === 'ours' ? ours : theirs;
    const name = uniqueName('chat');
    const inNameSpace = whose === 'ours' ? user : user.with(platform.token(app, user.username, { sid: name }));
    const owner = started === 'by others' || left !== 'by themselves' ? others[0] : inNameSpace;
    const invited = [user, ...others].filter(({ id }) => id !== owner.id).map((one) => one.id);
    const sent: Request[] = [];
    const options = { body: { external_id: name, participants: invited } };
    const { id } = expectStatus(await owner.call('POST', '/sessions', options), 201).body;
    if (owner === others[0]) sent.push({ by: owner, method: 'POST', path: '/sessions', options });
    for (const one of others) await joinSession(one, id);
    const outside = (await keepSecret(user)).id;
    const scene = { user, claiming: inNameSpace, id, name, outside, key: uniqueName('key'), sent };
    if (left === 'never joined') return { ...scene, lent: null, bound: null };
    await joinSession(user, id);
    const lent = (await keepSecret(user, { scope: 'session', session_id: id })).id;
    const bound = await tokenIn(user, id);
    const by = left === 'removed' ? owner : user;
    expectStatus(await by.call('DELETE', `/sessions/${id}/participants/${user.id}`), 204);
    return { ...scene, lent, bound };
  };

  const requestOfOthers = (scene: Scene, { what, by = 0, pick = 0 }: Act): Request => {
    const { user, id, name, key, sent } = scene;
    const who = others[by] as Person;
    const at = `/sessions/${id}`;
    const request = (method: string, path: string, options: RequestOptions = {}): Request => ({
      by: who,
      method,
      path,
      options,
    });
    const body = { user_id: user.id };
    switch (what) {
      case 'invite with a key':
        return request('POST', `${at}/participants`, { body, headers: { 'idempotency-key': key } });
      case 'invite by name':
        return request('POST', `${at}/participants`, { body: { username: user.username } });
      case 'remove':
        return request('DELETE', `${at}/participants/${user.id}`);
      case 'rename':
        return request('PATCH', at, { body: { title: uniqueName('Title') } });
      case 'end':
        // Rarely, since little can happen after it.
        return pick < 25 ? request('POST', `${at}/end`) : request('GET', at);
      case 'leave':
        return request('DELETE', `${at}/participants/${who.id}`);
      case 'join':
        return request('POST', `${at}/join`);
      case 'start another session of that name':
        return request('POST', '/sessions', { body: { external_id: name, participants: [user.id] } });
      case 'ask for the user’s joining':
        return request('POST', `${at}/join`, { body: {} });
      case 'replay':
        return sent[pick % Math.max(1, sent.length)] ?? request('GET', at);
      default:
        return request('POST', `${at}/participants`, { body });
    }
  };

  const actForUser = async (scene: Scene, what: string): Promise<void> => {
    const { user, claiming, id, name, bound, outside } = scene;
    const item = { name: uniqueName(), type: 'other', value: 'v', scope: 'session', session_id: id };
    const leave = `/sessions/${id}/participants/${user.id}`;
    const acts: Record<string, () => Promise<unknown> | undefined> = {
      'name the id': () => user.call('GET', '/secrets', { session: id }),
      'name the external id': () => user.call('GET', '/secrets', { session: name }),
      'use the bound token': () => bound?.call('GET', '/secrets'),
      'join with the bound token': () => bound?.call('POST', `/sessions/${id}/join`),
      'use an earlier token of the issuer': () => claiming.call('GET', '/secrets'),
      'put a secret in': () => user.call('POST', '/secrets', { body: item }),
      'import a secret': () => user.call('POST', '/secrets/import', { body: { items: [item], on_conflict: 'fail' } }),
      'move the secret in': () =>
        user.call('POST', `/secrets/${outside}/transfer`, { body: { scope: 'session', session_id: id } }),
      'make a token': () =>
        user.call('POST', '/auth/tokens', {
          body: { name: 'another', permissions: ['secrets:list'], session_id: id, expires_in: 60 },
        }),
      look: () => user.call('GET', `/sessions/${id}`),
      'leave again': () => user.call('DELETE', leave),
    };
    await acts[what]?.();
  };

  /** Whether the user counts as present, by what anybody sees, and whether what they lent is. */
  const isIn = async ({ user, id, lent }: Scene): Promise<boolean> => {
    const seen = others.map(async (who) => {
      const { body } = await who.call('GET', `/sessions/${id}`);
      return body.participants?.some((one: any) => one.user_id === user.id && one.state === 'present') === true;
    });
    const revealed = others.map(
      async (who) => lent && (await who.call('GET', `/secrets/${lent}/value`, { session: id })).status === 200,
    );
    return (await Promise.all([...seen, ...revealed])).includes(true);
  };

  /** Brings the user back by what is their own act; false where the session is over, or nobody is left to see it. */
  const comesBack = async (scene: Scene, back: History['back']): Promise<boolean> => {
    const { user, id, name } = scene;
    const looks = await Promise.all(others.map((who) => who.call('GET', `/sessions/${id}`)));
    const session = looks.find(({ status, body }) => status === 200 && body.status === 'active')?.body;
    const owner = others.find((one) => one.id === session?.owner_id);
    if (!owner) return false;
    expectStatus(await owner.call('POST', `/sessions/${id}/participants`, { body: { user_id: user.id } }), 201);
    app.clock.advance(2 * second);
    if (back === 'by a later token' && user === theirs && session.external_id === name) {
      const later = platform.token(app, user.username, { sid: id });
      expectStatus(await app.call('GET', '/secrets', { token: later }), 200);
    } else await joinSession(user, id);
    await joinSession(owner, id);
    return await isIn(scene);
  };

  it('no acts of others, and after leaving none of their own but joining, make a user present or lend their secrets', async () => {
    const met = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(history, async (drawn) => {
        await logInAgain();
        const scene = await begin(drawn);
        const hasLeft = drawn.left !== 'never joined';
        for (const act of drawn.acts as readonly Act[]) {
          app.clock.advance(act.later);
          if (act.kind === 'others') {
            const request = requestOfOthers(scene, act);
            scene.sent.push(request);
            await request.by.call(request.method, request.path, request.options);
            // An invitation is theirs to accept by naming the session, so that only what accepts none is tried there.
          } else if (hasLeft || acceptsNothing.includes(act.what)) await actForUser(scene, act.what);
          expect(await isIn(scene), act.what).toBe(false);
        }
        const back = await comesBack(scene, drawn.back);
        const key = `${drawn.left} ${back ? 'and back' : 'and over'}`;
        met.set(key, (met.get(key) ?? 0) + 1);
      }),
      { numRuns: histories, seed },
    );
    for (const left of ['by themselves', 'removed', 'never joined'])
      expect(met.get(`${left} and back`) ?? 0, `nobody came back: ${left}`).toBeGreaterThan(0);
  }, 1_800_000);
});
