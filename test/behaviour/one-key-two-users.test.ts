import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deafHook, startApp, type TestApp } from '../support/app.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  startSession,
  uniqueName,
} from '../support/people.ts';

let app: TestApp;
let root: Person;
let ada: Person;
let grace: Person;
beforeAll(async () => {
  app = await startApp();
  root = await logInAdmin(app);
  // Administrators, so that both may send every kind of creation.
  for (const username of ['ada', 'grace'])
    expectStatus(await root.call('POST', '/users', { body: { username, password, role: 'admin' } }), 201);
  ada = await logIn(app, 'ada');
  grace = await logIn(app, 'grace');
});
afterAll(() => app.close());

interface Creation {
  readonly route: string;
  /** The request for one of the two, with a body that both of them can send. */
  path(who: Person): Promise<string>;
  readonly body: (turn: string) => object | undefined;
  readonly idOf: (body: any) => string;
}

const idOf = ({ id }: { id: string }): string => id;
const own = async (who: Person): Promise<string> => {
  const { id } = await keepSecret(who);
  expectStatus(await who.call('PUT', `/secrets/${id}/value`, { body: { value: 'another value' } }), 200);
  return id;
};

const disabledUser = async (): Promise<string> => {
  const { id } = expectStatus(await root.call('POST', '/users', { body: { username: uniqueName('gone') } }), 201).body;
  expectStatus(await root.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } }), 200);
  return id;
};

const creations: readonly Creation[] = [
  {
    route: 'POST /api/v1/secrets',
    path: async () => '/secrets',
    body: () => ({ name: 'ONE_KEY', type: 'other', value: 'v' }),
    idOf,
  },
  {
    route: 'POST /api/v1/secrets/import',
    path: async () => '/secrets/import',
    body: () => ({ items: [{ name: 'ONE_KEY_IMPORTED', type: 'other', value: 'v' }], on_conflict: 'fail' }),
    idOf: ({ items }) => items[0].id,
  },
  {
    route: 'POST /api/v1/secrets/{id}/versions/{v}/restore',
    path: async (who) => `/secrets/${await own(who)}/versions/1/restore`,
    body: () => undefined,
    idOf: ({ id, version }) => `${id} version ${version}`,
  },
  {
    route: 'POST /api/v1/secrets/{id}/handover',
    path: async (who) => `/secrets/${(await keepSecret(who)).id}/handover`,
    body: () => ({ to: root.id }),
    idOf,
  },
  {
    route: 'POST /api/v1/users/{id}/handover',
    path: async () => `/users/${await disabledUser()}/handover`,
    body: () => ({ to: root.id }),
    idOf,
  },
  {
    route: 'POST /api/v1/sessions',
    path: async () => '/sessions',
    body: () => ({ title: 'One key' }),
    idOf,
  },
  {
    route: 'POST /api/v1/sessions/{id}/participants',
    path: async (who) => `/sessions/${(await startSession(who)).id}/participants`,
    body: () => ({ username: 'admin' }),
    idOf,
  },
  {
    route: 'POST /api/v1/auth/tokens',
    path: async () => '/auth/tokens',
    body: () => ({ name: 'one key', permissions: ['secrets:list'], expires_in: 60 }),
    idOf,
  },
  {
    route: 'POST /api/v1/webhooks',
    path: async () => '/webhooks',
    body: () => ({ url: deafHook }),
    idOf,
  },
  {
    route: 'POST /api/v1/graph/entities',
    path: async () => '/graph/entities',
    body: () => ({ entities: [{ type: 'TASK', name: 'one key' }] }),
    idOf: ({ entities }) => entities[0].entity.id,
  },
  {
    route: 'POST /api/v1/graph/observations',
    path: async (who) => {
      await who.call('POST', '/graph/entities', { body: { entities: [{ type: 'TASK', name: 'observed' }] } });
      return '/graph/observations';
    },
    body: () => ({ observations: [{ entity: { name: 'observed' }, contents: ['by one key'] }] }),
    idOf: ({ observations }) => observations[0].observation.id,
  },
  {
    route: 'POST /api/v1/graph/relations',
    path: async (who) => {
      const entities = ['from', 'to'].map((name) => ({ type: 'TASK', name }));
      await who.call('POST', '/graph/entities', { body: { entities } });
      return '/graph/relations';
    },
    body: () => ({ relations: [{ from: { name: 'from' }, to: { name: 'to' }, type: 'blocks' }] }),
    idOf: ({ relations }) => relations[0].relation.id,
  },
  {
    route: 'POST /api/v1/graph/activities',
    path: async (who) => {
      await startSession(who, [], { external_id: 'one-key' });
      return '/graph/activities';
    },
    body: () => ({ type: 'FILE_ACTIVITY', content: 'by one key', session_id: 'one-key' }),
    idOf: ({ entity }) => entity.id,
  },
  {
    route: 'POST /api/v1/users',
    path: async () => '/users',
    // The username is unique, so that the two send different bodies: neither must meet the other's.
    body: (turn) => ({ username: `made-by-${turn}` }),
    idOf,
  },
];

describe('one Idempotency-Key that two users send', () => {
  it('every creation in the OpenAPI document that takes an Idempotency-Key is tried here', async () => {
    const { paths } = (await (await fetch(`${app.url}/api/openapi.json`)).json()) as any;
    const taking = Object.entries<any>(paths).flatMap(([path, methods]) =>
      Object.entries<any>(methods).flatMap(([method, { parameters = [] }]) =>
        parameters.some((one: any) => one.name === 'Idempotency-Key') ? [`${method.toUpperCase()} ${path}`] : [],
      ),
    );
    expect(taking.toSorted()).toEqual(creations.map(({ route }) => route).toSorted());
  });

  it.each(creations)('$route creates one thing for each of two users who send the same key', async (creation) => {
    const headers = { 'idempotency-key': uniqueName('shared-key') };
    const made: string[] = [];
    for (const who of [ada, grace]) {
      const path = await creation.path(who);
      const body = creation.body(who.username);
      const send = () => who.call('POST', path, { headers, ...(body === undefined ? {} : { body }) });
      const first = creation.idOf(expectStatus(await send(), 201).body);
      const second = creation.idOf(expectStatus(await send(), 201).body);
      expect(second, 'the repeated request of one user creates nothing').toBe(first);
      made.push(first);
    }
    expect(new Set(made).size).toBe(2);
  });

  it('a repeated key with another body is refused to its own user and not to another one', async () => {
    const headers = { 'idempotency-key': uniqueName('shared-key') };
    const create = (who: Person, name: string) =>
      who.call('POST', '/secrets', { headers, body: { name, type: 'other', value: 'v' } });
    expectStatus(await create(ada, 'FIRST_BODY'), 201);
    expect(expectStatus(await create(ada, 'SECOND_BODY'), 409).body.code).toBe('idempotency_key_reused');
    const made = expectStatus(await create(grace, 'SECOND_BODY'), 201).body;
    expect(made.owner_id).toBe(grace.id);
  });
});
