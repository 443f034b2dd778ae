import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deafHook, startApp, type TestApp } from '../support/app.ts';
import { addressOf, type DocumentedOperation, documentedOperations } from '../support/documented.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { remember } from '../support/remembered.ts';

const takesKey = ({ parameters }: DocumentedOperation): boolean =>
  parameters.some(({ name }) => name === 'Idempotency-Key');
const repeatable = documentedOperations.filter(takesKey);

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
});
afterAll(() => app.close());

/** One creation: by whom, what it acts on, and two requests that differ in what they ask for. */
interface Creation {
  readonly by: Person;
  readonly path?: Readonly<Record<string, string>>;
  readonly first: RequestOptions;
  readonly other: RequestOptions;
  readonly idsOf?: (body: any) => unknown;
  /** Makes room for another one, where there can be only one at a time. */
  readonly makeRoom?: (made: any) => Promise<unknown>;
}

const bodies = (one: object, another: object): Pick<Creation, 'first' | 'other'> => ({
  first: { body: one },
  other: { body: another },
});

const aSecret = () => ({ name: uniqueName(), type: 'other', value: 'v' });
const anEntity = () => ({ type: 'TASK', name: uniqueName('entity'), observations: ['known'] });
const anImport = () => ({ items: [aSecret(), aSecret()], on_conflict: 'fail' });
const aToken = () => ({ name: uniqueName(), permissions: ['secrets:list'], expires_in: 60 });

const cancel =
  (who: Person) =>
  async ({ id }: { id: string }) =>
    expectStatus(await who.call('POST', `/handovers/${id}/cancel`), 200);

const creations: Readonly<Record<string, () => Creation | Promise<Creation>>> = {
  createToken: () => ({ by: ada, ...bodies(aToken(), aToken()) }),
  createUser: () => ({ by: admin, ...bodies({ username: uniqueName('user') }, { username: uniqueName('user') }) }),
  createWebhook: () => ({ by: ada, ...bodies({ url: deafHook }, { url: deafHook, event_types: ['secret.shared'] }) }),
  createSession: () => ({ by: ada, ...bodies({ title: 'one' }, { title: 'another' }) }),
  addParticipant: async () => {
    const { id } = await startSession(ada);
    // The session is the same whoever is invited; its participants are not.
    const idsOf = ({ participants }: any) => participants.map(({ user_id }: { user_id: string }) => user_id);
    return { by: ada, path: { id }, idsOf, ...bodies({ user_id: grace.id }, { user_id: admin.id }) };
  },
  createSecret: () => ({ by: ada, ...bodies(aSecret(), aSecret()) }),
  importSecrets: () => ({
    by: ada,
    ...bodies(anImport(), anImport()),
    idsOf: ({ items }) => items.map(({ id }: { id: string }) => id),
  }),
  offerSecret: async () => {
    const { id } = await keepSecret(ada);
    return { by: ada, path: { id }, ...bodies({ to: grace.id }, { to: admin.id }), makeRoom: cancel(ada) };
  },
  offerSecretsOfUser: async () => {
    const username = uniqueName('gone');
    const { id } = expectStatus(await admin.call('POST', '/users', { body: { username } }), 201).body;
    expectStatus(await admin.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } }), 200);
    return { by: admin, path: { id }, ...bodies({ to: grace.id }, { to: ada.id }), makeRoom: cancel(admin) };
  },
  createEntities: () => ({
    by: ada,
    ...bodies({ entities: [anEntity(), anEntity()] }, { entities: [anEntity()] }),
    idsOf: ({ entities }) => entities.map(({ entity }: any) => [entity.id, entity.created_at]),
  }),
  addObservations: async () => {
    const { id } = await remember(ada);
    const saying = (text: string) => ({ observations: [{ entity: { id }, contents: [text, `${text} again`] }] });
    const idsOf = ({ observations }: any) => observations.map(({ observation }: any) => observation.id);
    return { by: ada, ...bodies(saying('one'), saying('another')), idsOf };
  },
  createRelations: async () => {
    const from = { id: (await remember(ada)).id };
    const to = { id: (await remember(ada)).id };
    const relation = (type: string) => ({ relations: [{ from, to, type }] });
    const idsOf = ({ relations }: any) => relations.map(({ relation: { id } }: any) => id);
    return { by: ada, ...bodies(relation('blocks'), relation('leads_to')), idsOf };
  },
  createActivity: async () => {
    const session_id = (await startSession(ada)).id;
    const activity = (content: string) => ({ type: 'FILE_ACTIVITY', content, session_id });
    return { by: ada, ...bodies(activity('one'), activity('another')), idsOf: ({ entity }) => entity.id };
  },
  // It has no body: what differs is the session in which it is asked.
  restoreSecretVersion: async () => {
    const { id } = await keepSecret(ada);
    expectStatus(await ada.call('PUT', `/secrets/${id}/value`, { body: { value: 'second' } }), 200);
    const session = (await startSession(ada)).id;
    return { by: ada, path: { id, v: '1' }, first: {}, other: { session }, idsOf: (body) => [body.id, body.version] };
  },
};

/** Everything that can be created, counted. */
const everything = async (): Promise<unknown> => {
  const tables = [
    'users',
    'tokens',
    'sessions',
    'session_participants',
    'secrets',
    'secret_versions',
    'owner_keys',
    'handovers',
    'webhooks',
    'memory_entities',
    'memory_names',
    'memory_observations',
    'memory_relations',
  ];
  const counts = tables.map((table) => `(select count(*) from ${table}) as ${table}`);
  return (await app.database.client.query(`select ${counts}`)).rows[0];
};

describe('a creation that is sent again with its Idempotency-Key', () => {
  it('every operation that documents Idempotency-Key is tried', () => {
    expect(Object.keys(creations).sort()).toEqual(repeatable.map(({ operationId }) => operationId).sort());
  });

  it('every operation that answers 201 documents it', () => {
    const others = documentedOperations.filter((one) => '201' in one.responses && !takesKey(one));
    expect(others.map(({ operationId }) => operationId)).toEqual([]);
  });

  it.each(repeatable)('$operationId creates nothing more when it is sent again with its key', async (operation) => {
    const prepare = creations[operation.operationId];
    if (!prepare) throw new Error(`no creation is written for ${operation.operationId}`);
    const { by, path, first, other, idsOf = ({ id }) => id, makeRoom } = await prepare();
    const target = addressOf(operation, path).replace('/api/v1', '');
    const send = (key: string, options: RequestOptions): Promise<Answer<any>> =>
      by.call(operation.method, target, { ...options, headers: { 'idempotency-key': key } });

    const empty = await everything();
    const made = expectStatus(await send('one', first), 201);
    const after = await everything();
    expect(after).not.toEqual(empty);
    const repeated = expectStatus(await send('one', first), 201);
    expect(idsOf(repeated.body)).toEqual(idsOf(made.body));
    expect(await everything()).toEqual(after);
    expect(expectStatus(await send('one', other), 409).body.code).toBe('idempotency_key_reused');
    expect(await everything()).toEqual(after);
    await makeRoom?.(made.body);
    const others = expectStatus(await send('two', other), 201);
    expect(idsOf(others.body)).not.toEqual(idsOf(made.body));
    expect(await everything()).not.toEqual(after);
  });
});
