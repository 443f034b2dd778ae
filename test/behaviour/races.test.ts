import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { adminPassword, newRootKey, startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { count, seed } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { type Answer, type RequestOptions, send } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { told } from './linearizable.ts';
import { type Happened, isLinearizable, line, type Name, type Operation, type State, whoDoes } from './race-model.ts';

const longEnough = 900_000;
const crowd = 6;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const tally = (answers: readonly Answer<any>[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = status < 300 ? String(status) : `${status} ${body.code}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};

/** How a number of requests come in: after which pause each, and at which of the two services. */
interface Arrival {
  readonly after: number;
  readonly at: 0 | 1;
}

const arrival: fc.Arbitrary<Arrival> = fc.record({ after: fc.integer({ min: 0, max: 6 }), at: fc.constantFrom(0, 1) });
const arrivals = fc.array(arrival, { minLength: crowd, maxLength: crowd });

describe('requests at the same time, over two services on one database', () => {
  let database: TestDatabase;
  let apps: readonly [TestApp, TestApp];
  let first: Pick<TestApp, 'call'>;
  let admin: Person;
  let users: Record<Name, Person>;

  beforeAll(async () => {
    database = await freshDatabase();
    const shared = { database, clock: settableClock(), rootKey: newRootKey() };
    apps = [await startApp(shared), await startApp(shared)];
    first = { call: (method, path, options) => unlessOverloaded(() => apps[0].call(method, path, options)) };
    admin = await logInAdmin(first);
    users = await people(first, admin, 'ada', 'grace', 'linus');
  });
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await database.drop();
  });
  // The service must stand contention by itself: nobody is told to come again later.
  let worst: Answer<any>[] = [];
  beforeEach(() => {
    worst = [];
  });

  const ask = async (at: 0 | 1, who: Person, method: string, path: string, options: RequestOptions = {}) => {
    const answer = await unlessOverloaded(() =>
      send(apps[at].url, method, `/api/v1${path}`, { token: who.token, ...options }),
    );
    if (answer.status >= 500) worst.push(answer);
    return answer;
  };

  const property = async <T>(arbitrary: fc.Arbitrary<T>, round: (drawn: T) => Promise<void>): Promise<void> => {
    const checked = fc.asyncProperty(arbitrary, async (drawn) => {
      await round(drawn);
      expect(worst.map((answer) => answer.text)).toEqual([]);
    });
    // A race that was lost once need not be lost again with less in it: the first failure is the one to show.
    await fc.assert(checked, { numRuns: count(200), seed, endOnFailure: true });
  };

  /** Sends one request for each arrival, all under way together. */
  const together = (
    drawn: readonly Arrival[],
    request: (arrival: Arrival, index: number) => Promise<Answer<any>>,
  ): Promise<Answer<any>[]> =>
    Promise.all(
      drawn.map(async (one, index) => {
        await pause(one.after);
        return await request(one, index);
      }),
    );

  describe('about one secret and one session', () => {
    interface Scene {
      readonly secret: string;
      readonly session: string;
    }

    const nameOf = (id: string): Name =>
      (Object.entries(users).find(([, person]) => person.id === id)?.[0] ?? id) as Name;

    const viewLine = (body: any): string =>
      line({
        scope: body.scope,
        sharedWith: body.shared_with.map(nameOf),
        isActive: body.is_active,
        isDeleted: body.deleted_at !== null,
        version: body.version,
        revision: body.revision,
        description: body.description,
      });

    type Request = readonly [method: string, path: string, body?: object];

    const requestOf = ({ secret, session }: Scene, operation: Operation): Request => {
      const path = `/secrets/${secret}`;
      switch (operation.do) {
        case 'share':
        case 'unshare':
          return ['POST', `${path}/${operation.do}`, { user_id: users[operation.user].id }];
        case 'takeOff':
          return ['DELETE', `${path}/share/me`];
        case 'toSession':
          return ['POST', `${path}/transfer`, { scope: 'session', session_id: session }];
        case 'toUser':
          return ['POST', `${path}/transfer`, { scope: 'user' }];
        case 'delete':
          return ['DELETE', path];
        case 'recover':
        case 'activate':
        case 'deactivate':
          return ['POST', `${path}/${operation.do}`];
        case 'put':
          return ['PUT', `${path}/value`, { value: operation.text }];
        case 'patch':
          return ['PATCH', path, { description: operation.text }];
        case 'look':
          return ['GET', path];
        case 'reveal':
          return ['GET', `${path}/value`];
        case 'end':
          return ['POST', `/sessions/${session}/end`];
        case 'leave':
          return ['DELETE', `/sessions/${session}/participants/${users[operation.by].id}`];
        case 'join':
          return ['POST', `/sessions/${session}/join`];
        case 'create': {
          const body = { name: operation.text, type: 'token', value: 'x', scope: 'session', session_id: session };
          return ['POST', '/secrets', body];
        }
        case 'lookAtSession':
          return ['GET', `/sessions/${session}`];
        case 'listOwn':
          return ['GET', `/secrets?owner=me&limit=200&session_id=${session}`];
      }
    };

    const presentIn = ({ participants }: any) => participants.filter((one: any) => one.state === 'present');

    const answerLine = ({ secret }: Scene, operation: Operation, { status, body }: Answer<any>): string => {
      if (status === 204 || status === 201) return String(status);
      if (status !== 200) return `${status} ${body.code}`;
      switch (operation.do) {
        case 'reveal':
          return `200 v${body.version} ${body.value}`;
        case 'end':
          return `200 ${body.status}`;
        case 'lookAtSession':
          return `200 ${body.status} [${presentIn(body)
            .map((one: any) => nameOf(one.user_id))
            .sort()}]`;
        case 'join':
          return '200';
        case 'listOwn': {
          const others = body.secrets.filter((one: any) => one.id !== secret);
          return `200 [${others.map((one: any) => `${operation.by} ${one.name}`).sort()}]`;
        }
        default:
          return viewLine(body);
      }
    };

    const perform = async (scene: Scene, operation: Operation, at: 0 | 1): Promise<Happened> => {
      const [method, path, body] = requestOf(scene, operation);
      const options = {
        ...(body === undefined ? {} : { body }),
        ...(operation.inside ? { session: scene.session } : {}),
      };
      const sent = performance.now();
      const answer = await ask(at, users[whoDoes(operation)], method, path, options);
      return { operation, sent, answered: performance.now(), answer: answerLine(scene, operation, answer) };
    };

    const set = async (scope: State['scope']): Promise<{ scene: Scene; start: State }> => {
      const session = (await startSession(users.ada, [users.grace])).id;
      const place = { user: {}, session: { session_id: session }, shared: { shared_with: [users.grace.id] } }[scope];
      const secret = (await keepSecret(users.ada, { value: 'first', scope, ...place })).id;
      const start: State = {
        scope,
        sharedWith: scope === 'shared' ? ['grace'] : [],
        isActive: true,
        isDeleted: false,
        version: 1,
        value: 'first',
        description: null,
        revision: 1,
        ended: false,
        sessionOwner: 'ada',
        present: ['ada', 'grace'],
        created: [],
      };
      return { scene: { secret, session }, start };
    };

    /** What everybody sees when all is over; in the model's eyes these are operations like the others. */
    const aftermath: readonly Operation[] = [
      { do: 'look' },
      { do: 'lookAtSession' },
      { do: 'listOwn', by: 'ada' },
      { do: 'listOwn', by: 'grace' },
      { do: 'reveal', by: 'ada' },
      { do: 'reveal', by: 'grace' },
      { do: 'reveal', by: 'linus' },
      { do: 'reveal', by: 'grace', inside: true },
    ];

    const lookAround = async (scene: Scene): Promise<Happened[]> => {
      const seen: Happened[] = [];
      for (const [index, operation] of aftermath.entries())
        seen.push(await perform(scene, operation, index % 2 === 0 ? 0 : 1));
      return seen;
    };

    const grantee = fc.constantFrom('grace', 'linus');
    const guest = fc.constantFrom('ada', 'grace');
    const text = fc.integer({ min: 0, max: 0xffffff }).map((number) => `text_${number.toString(16)}`);
    const operation: fc.Arbitrary<Operation> = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('share', 'unshare'), user: grantee }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('takeOff'), by: grantee }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('toSession', 'toUser') }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('delete', 'recover', 'activate', 'deactivate') }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('put', 'patch'), text }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('end') }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('leave'), by: guest }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('join'), by: guest }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('create'), by: guest, text }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('reveal'), by: fc.constantFrom('ada', 'grace', 'linus') }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('listOwn'), by: guest }) },
    ) as fc.Arbitrary<Operation>;
    const turmoil = fc.record({
      scope: fc.constantFrom('user', 'session', 'shared'),
      requests: fc.uniqueArray(fc.record({ operation, arrival, inside: fc.boolean() }), {
        minLength: 5,
        maxLength: 10,
        selector: ({ operation: one }) => ('text' in one ? one.text : one),
      }),
    });

    it(
      'simultaneous requests about one secret and session have the outcome of some order of them',
      async () => {
        let overlaps = 0;
        await property(turmoil, async ({ scope, requests }) => {
          const { scene, start } = await set(scope);
          const happened = await Promise.all(
            requests.map(async (one) => {
              await pause(one.arrival.after);
              // Reads are not among them: whose session was verified before it ended may still be answered.
              const inside = one.inside && one.operation.do !== 'reveal' && one.operation.do !== 'listOwn';
              return await perform(scene, { ...one.operation, inside }, one.arrival.at);
            }),
          );
          const history = [...happened, ...(await lookAround(scene))];
          expect(worst.map((answer) => answer.text)).toEqual([]);
          overlaps += happened.filter((a) =>
            happened.some((b) => a !== b && a.sent < b.answered && b.sent < a.answered),
          ).length;
          if (!isLinearizable(start, history))
            throw new Error(`no order explains this, beginning with ${JSON.stringify(start)}:\n${told(history)}`);
        });
        expect(overlaps).toBeGreaterThan(count(200));
      },
      longEnough,
    );

    it(
      'a user who is unshared after every share to them was answered stays off, whatever is shared meanwhile',
      async () => {
        await property(arrivals, async (drawn) => {
          const { scene } = await set('user');
          const shares = await together(drawn, ({ at }, index) =>
            ask(at, users.ada, 'POST', `/secrets/${scene.secret}/share`, {
              body: { user_id: users[index % 2 === 0 ? 'grace' : 'linus'].id },
            }),
          );
          expect(tally(shares)).toEqual({ 200: crowd });
          expect((await perform(scene, { do: 'reveal', by: 'grace' }, 0)).answer).toBe('200 v1 first');
          await together(drawn, ({ at }, index) =>
            index === 0
              ? ask(at, users.ada, 'POST', `/secrets/${scene.secret}/unshare`, { body: { user_id: users.grace.id } })
              : ask(at, users.ada, 'POST', `/secrets/${scene.secret}/share`, { body: { user_id: users.linus.id } }),
          );
          expect((await perform(scene, { do: 'look' }, 1)).answer).toContain('200 shared [linus]');
          expect((await perform(scene, { do: 'reveal', by: 'grace' }, 1)).answer).toBe('404 not_found');
          expect((await perform(scene, { do: 'reveal', by: 'linus' }, 0)).answer).toBe('200 v1 first');
        });
      },
      longEnough,
    );

    it(
      'no secret comes into a session after its end was answered',
      async () => {
        await property(arrivals, async (drawn) => {
          const { scene } = await set('user');
          let ended = false;
          let atTheEnd: readonly string[] = [];
          const inside = async (): Promise<readonly string[]> => {
            const path = `/secrets?owner=me&limit=200&session_id=${scene.session}`;
            const lists = await Promise.all(
              [users.ada, users.grace].map((one, at) => ask(at === 0 ? 0 : 1, one, 'GET', path)),
            );
            return lists.flatMap(({ body }) => body.secrets.map((one: any) => one.id)).sort();
          };
          const late = new Set<number>();
          const answers = await together(drawn, async ({ at }, index) => {
            if (index === 0) {
              await pause(drawn[0]?.after ?? 0);
              const answer = await ask(at, users.ada, 'POST', `/sessions/${scene.session}/end`);
              ended = true;
              atTheEnd = await inside();
              return answer;
            }
            if (ended) late.add(index);
            const move = { scope: 'session', session_id: scene.session };
            if (index === 1)
              return await ask(at, users.ada, 'POST', `/secrets/${scene.secret}/transfer`, { body: move });
            const body = { name: uniqueName('LATE'), type: 'token', value: 'x', ...move };
            return await ask(at, index % 2 === 0 ? users.ada : users.grace, 'POST', '/secrets', { body });
          });
          for (const [index, { status, body }] of answers.entries()) {
            if (late.has(index)) expect(body.code).toBe('session_not_joined');
            else expect([200, 201, 403]).toContain(status);
          }
          const after = {
            name: uniqueName('LATE'),
            type: 'token',
            value: 'x',
            scope: 'session',
            session_id: scene.session,
          };
          expect((await ask(1, users.grace, 'POST', '/secrets', { body: after })).body.code).toBe('session_not_joined');
          expect(await inside()).toEqual(atTheEnd);
          const entered = answers.slice(1).filter((answer) => answer.status < 300);
          for (const { body } of entered) {
            const [owner, other] = body.owner_id === users.ada.id ? [users.ada, users.grace] : [users.grace, users.ada];
            expect((await ask(0, owner, 'GET', `/secrets/${body.id}/value`)).status).toBe(200);
            expect((await ask(1, other, 'GET', `/secrets/${body.id}/value`)).status).toBe(404);
          }
        });
      },
      longEnough,
    );

    it(
      'every new value that was acknowledged is a version of its own',
      async () => {
        await property(arrivals, async (drawn) => {
          const { scene } = await set('user');
          const answers = await together(drawn, ({ at }, index) =>
            ask(at, users.ada, 'PUT', `/secrets/${scene.secret}/value`, { body: { value: `value ${index}` } }),
          );
          expect(tally(answers)).toEqual({ 200: crowd });
          const versions = answers.map(({ body }) => body.version).sort((a, b) => a - b);
          expect(versions).toEqual(Array.from({ length: crowd }, (_, index) => index + 2));
          const last = answers.findIndex(({ body }) => body.version === crowd + 1);
          expect((await perform(scene, { do: 'reveal', by: 'ada' }, 1)).answer).toBe(`200 v${crowd + 1} value ${last}`);
          const kept = (await ask(0, users.ada, 'GET', `/secrets/${scene.secret}/versions`)).body.versions;
          expect(kept.map((one: any) => one.version)).toEqual(
            Array.from({ length: crowd + 1 }, (_, i) => crowd + 1 - i),
          );
        });
      },
      longEnough,
    );

    it(
      'of simultaneous changes with the same If-Match exactly one succeeds',
      async () => {
        await property(arrivals, async (drawn) => {
          const { scene } = await set('user');
          const { headers } = await ask(0, users.ada, 'GET', `/secrets/${scene.secret}`);
          const ifMatch = { 'if-match': headers.get('etag') ?? '' };
          const answers = await together(drawn, ({ at }, index) =>
            index % 2 === 0
              ? ask(at, users.ada, 'PATCH', `/secrets/${scene.secret}`, {
                  headers: ifMatch,
                  body: { description: `by ${index}` },
                })
              : ask(at, users.ada, 'PUT', `/secrets/${scene.secret}/value`, {
                  headers: ifMatch,
                  body: { value: `by ${index}` },
                }),
          );
          expect(tally(answers)).toEqual({ 200: 1, '412 revision_mismatch': crowd - 1 });
          const winner = answers.find(({ status }) => status === 200);
          expect((await perform(scene, { do: 'look' }, 1)).answer).toBe(viewLine(winner?.body));
        });
      },
      longEnough,
    );
  });

  it(
    'simultaneous creations with one Idempotency-Key create one secret, of one body',
    async () => {
      await property(fc.tuple(arrivals, fc.boolean()), async ([drawn, sameBody]) => {
        const name = uniqueName('ONCE');
        const headers = { 'idempotency-key': name };
        const answers = await together(drawn, ({ at }, index) => {
          const description = sameBody || index % 2 === 0 ? 'one' : 'another';
          return ask(at, users.ada, 'POST', '/secrets', {
            headers,
            body: { name, type: 'token', value: 'x', description },
          });
        });
        const made = answers.filter(({ status }) => status === 201);
        const refused = answers.length - made.length;
        expect(tally(answers)).toEqual({
          201: sameBody ? crowd : crowd / 2,
          ...(sameBody ? {} : { '409 idempotency_key_reused': refused }),
        });
        expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
        const kept = (await ask(1, users.ada, 'GET', `/secrets?q=${name}`)).body.secrets;
        expect(kept.map((one: any) => one.id)).toEqual([made[0]?.body.id]);
      });
    },
    longEnough,
  );

  it(
    'simultaneous creations with one name create one secret',
    async () => {
      await property(arrivals, async (drawn) => {
        const name = uniqueName('SAME');
        const session = (await startSession(users.ada, [])).id;
        const outside = await together(drawn, ({ at }) =>
          ask(at, users.ada, 'POST', '/secrets', { body: { name, type: 'token', value: 'x' } }),
        );
        const inside = await together(drawn, ({ at }, index) =>
          index === 0
            ? ask(at, users.ada, 'POST', `/secrets/${outside.find((one) => one.status === 201)?.body.id}/transfer`, {
                body: { scope: 'session', session_id: session },
              })
            : ask(at, users.ada, 'POST', '/secrets', {
                body: { name, type: 'token', value: 'x', scope: 'session', session_id: session },
              }),
        );
        expect(tally(outside)).toEqual({ 201: 1, '409 name_taken': crowd - 1 });
        expect(inside.filter((one) => one.status < 300).length).toBe(1);
        expect(tally(inside)['409 name_taken']).toBe(crowd - 1);
      });
    },
    longEnough,
  );

  it(
    'of simultaneous refreshes with one token one succeeds, and the login is over',
    async () => {
      await property(fc.array(arrival, { minLength: 2, maxLength: 4 }), async (drawn) => {
        const login = await logIn(first, 'linus');
        const refreshed = expectStatus(
          await send(apps[1].url, 'POST', '/api/v1/auth/refresh', { body: { refresh_token: login.refreshToken } }),
          200,
        ).body;
        expect((await ask(0, login.with(refreshed.access_token), 'GET', '/auth/me')).status).toBe(200);
        const answers = await together(drawn, ({ at }) =>
          unlessOverloaded(() =>
            send(apps[at].url, 'POST', '/api/v1/auth/refresh', { body: { refresh_token: refreshed.refresh_token } }),
          ),
        );
        expect(tally(answers)).toEqual({ 200: 1, '401 unauthenticated': drawn.length - 1 });
        const winner = answers.find(({ status }) => status === 200)?.body;
        expect((await ask(1, login.with(winner.access_token), 'GET', '/auth/me')).status).toBe(401);
        const again = { body: { refresh_token: winner.refresh_token } };
        expect((await send(apps[0].url, 'POST', '/api/v1/auth/refresh', again)).status).toBe(401);
      });
    },
    longEnough,
  );

  it(
    'simultaneous changes of a session by its owner all succeed, although each names the session',
    async () => {
      await property(arrivals, async (drawn) => {
        const session = (await startSession(users.ada, [users.grace])).id;
        const answers = await together(drawn, ({ at }, index) =>
          ask(at, users.ada, 'PATCH', `/sessions/${session}`, { session, body: { title: `title ${index}` } }),
        );
        expect(tally(answers)).toEqual({ 200: crowd });
      });
    },
    longEnough,
  );

  it(
    'simultaneous changes of one user by themselves all succeed',
    async () => {
      await property(arrivals, async (drawn) => {
        const answers = await together(drawn, ({ at }, index) =>
          ask(at, users.linus, 'PATCH', `/users/${users.linus.id}`, { body: { display_name: `Linus ${index}` } }),
        );
        expect(tally(answers)).toEqual({ 200: crowd });
      });
    },
    longEnough,
  );

  it(
    'simultaneous changes of roles and users never leave the service without an administrator',
    async () => {
      const { second } = await people(first, admin, 'second');
      const both = [admin, second] as [Person, Person];
      const passwords = [adminPassword, password] as const;
      const setRole = (at: 0 | 1, by: Person, of: Person, change: object) =>
        ask(at, by, 'PATCH', `/users/${of.id}`, { body: change });
      const loses = fc.constantFrom({ role: 'member' }, { status: 'disabled' });
      const drawn = fc.record({ arrivals: fc.tuple(arrival, arrival), mutual: fc.boolean(), loses });
      await property(drawn, async ({ arrivals: when, mutual, loses: change }) => {
        expectStatus(await setRole(0, both[0], both[1], { role: 'admin', status: 'active' }), 200);
        const answers = await together(when, ({ at }, index) => {
          const one = both[index === 0 ? 0 : 1];
          return setRole(at, one, mutual ? both[index === 0 ? 1 : 0] : one, change);
        });
        expect(answers.filter(({ status }) => status === 200).length).toBe(1);
        const left = await Promise.all(
          both.map(async (one) => {
            const { body } = await ask(1, one, 'GET', '/auth/me');
            return body.permissions?.includes('admin') === true;
          }),
        );
        expect(left.filter(Boolean).length).toBe(1);
        const [stays, goes] = left[0] ? ([0, 1] as const) : ([1, 0] as const);
        expectStatus(await setRole(0, both[stays], both[goes], { role: 'admin', status: 'active' }), 200);
        // Disabling ended their logins for good.
        both[goes] = await logIn(first, both[goes].username, passwords[goes]);
      });
    },
    longEnough,
  );
});
