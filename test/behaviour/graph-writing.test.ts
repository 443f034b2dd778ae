import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { type Answer, type RequestOptions, withoutRequestId } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';

let app: TestApp;
let admin: Person;
let ann: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ann, ben } = await people(app, admin, 'ann', 'ben'));
});
afterAll(() => app.close());

const post = (who: Person, path: string, body: object, options: RequestOptions = {}): Promise<Answer<any>> =>
  who.call('POST', `/graph/${path}`, { ...options, body });

const create = async (who: Person, body: object = {}, options: RequestOptions = {}) => {
  const entity = { type: 'TASK', name: uniqueName('task'), ...body };
  return expectStatus(await post(who, 'entities', { entities: [entity] }, options), 201).body.entities[0];
};

const get = async (who: Person, id: string, options: RequestOptions = {}) =>
  expectStatus(await who.call('GET', `/graph/entities/${id}?relations=true`, options), 200).body;

const rowsOf = async (table: string, where: string, ...values: unknown[]): Promise<number> =>
  Number((await app.database.client.query(`select count(*) from ${table} where ${where}`, values)).rows[0].count);

const contentsOf = (entity: any): string[] => entity.observations.map((one: any) => one.content);

/** A token of a person that is bound to a session. */
const boundToken = async (who: Person, session: string, permissions: string[]): Promise<Person> => {
  const body = { name: 'bound', permissions, expires_in: 3600, session_id: session };
  return who.with(expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body.token);
};

describe('creating entities', () => {
  it('an entity is stored with everything that was said of it', async () => {
    const input = {
      attributes: { lang: 'Go', n: { deep: [1] } },
      tags: ['a_b', 'x', 'x'],
      observations: ['one', 'two'],
    };
    const { entity, created } = await create(ann, { type: 'works at', ...input });
    expect(created).toBe(true);
    expect(entity).toMatchObject({
      type: 'works at',
      derived: false,
      version: 1,
      author_id: ann.id,
      session_id: null,
      attributes: input.attributes,
      tags: ['a_b', 'x'],
      aliases: [],
    });
    expect(contentsOf(entity)).toEqual(['one', 'two']);
    expect((await get(ann, entity.id)).entity).toEqual(entity);
  });

  it('an entity that exists keeps what it is and gains the observations that it lacks', async () => {
    const { entity } = await create(ann, { attributes: { a: 1 }, tags: ['t'], observations: ['known'] });
    const again = await create(ann, { name: entity.name, attributes: { b: 2 }, observations: ['known', 'new', 'new'] });
    expect(again.created).toBe(false);
    expect(again.entity).toMatchObject({ id: entity.id, attributes: { a: 1 }, tags: ['t'], version: 1 });
    expect(contentsOf(again.entity)).toEqual(['known', 'new']);
  });

  it('a name that an entity of another type has is refused with the id of that entity', async () => {
    const { entity } = await create(ann, { type: 'PERSON' });
    const entities = [
      { type: 'TASK', name: uniqueName('free') },
      { type: 'CONCEPT', name: entity.name },
    ];
    const answer = await post(ann, 'entities', { entities });
    expect(answer.status).toBe(409);
    expect(answer.body.code).toBe('name_taken');
    expect(answer.body.errors[0].field).toBe('entities/1/name');
    expect(answer.body.errors[0].detail).toContain(entity.id);
    expect(await rowsOf('memory_names', 'name = $1', entities[0]?.name)).toBe(0);
  });

  it('names that differ in case, spaces or form are names of different entities', async () => {
    const names = ['SR-2023-052', 'SR-2023-053', 'Ada', 'ada', 'Ada ', 'Caf\u00e9', 'Cafe\u0301'];
    const entities = names.map((name) => ({ type: 'CONCEPT', name }));
    const { body } = expectStatus(await post(ben, 'entities', { entities }), 201);
    expect(new Set(body.entities.map((one: any) => one.entity.id)).size).toBe(names.length);
    expect(body.entities.map((one: any) => one.entity.name)).toEqual(names);
  });

  it('a name twice in one request is one entity with the observations of both', async () => {
    const name = uniqueName('twice');
    const entities = [
      { type: 'TASK', name, observations: ['a'] },
      { type: 'TASK', name, observations: ['b', 'a'] },
    ];
    const { body } = expectStatus(await post(ann, 'entities', { entities }), 201);
    expect(body.entities.map((one: any) => one.created)).toEqual([true, false]);
    expect(contentsOf(body.entities[1].entity)).toEqual(['a', 'b']);
  });

  it.each(['USER', 'SESSION', 'SECRET', 'SECRET_USAGE'])('no client can make a node of the type %s', async (type) => {
    const answer = await post(ann, 'entities', { entities: [{ type, name: uniqueName() }] });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe('entities/0/type');
    expectStatus(await post(ann, 'entities', { entities: [{ type: type.toLowerCase(), name: uniqueName() }] }), 201);
  });

  it('a name of 400 characters beyond the basic plane can be stored, renamed to, and merged into an alias', async () => {
    const long = String.fromCodePoint(...Array.from({ length: 400 }, (_, at) => 0x2_00_00 + ((at * 7919) % 40_000)));
    const { entity } = await create(ann, { name: long });
    const { entity: other } = await create(ann);
    expectStatus(await post(ann, `entities/${entity.id}/merge`, { into: other.id }), 200);
    expect((await create(ann, { name: long })).entity.id).toBe(other.id);
  });
});

describe('where facts go', () => {
  it('a fact goes to the session of the request unless it says null', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const inside = await create(ann, {}, { session });
    const own = await create(ann, { session_id: null }, { session });
    expect(inside.entity.session_id).toBe(session);
    expect(own.entity.session_id).toBeNull();
    expectStatus(await ben.call('GET', `/graph/entities/${inside.entity.id}`), 200);
    expectStatus(await ben.call('GET', `/graph/entities/${own.entity.id}`), 404);
  });

  it('a fact goes to the session that it names, by our id and by an external one', async () => {
    const external_id = uniqueName('chat');
    const { id } = await startSession(ann, [], { external_id });
    expect((await create(ann, { session_id: id })).entity.session_id).toBe(id);
    expect((await create(ann, { session_id: external_id })).entity.session_id).toBe(id);
  });

  it('nobody writes to a session that they are not in, that has ended or that never was', async () => {
    const theirs = await startSession(ben);
    const ended = await startSession(ann);
    expectStatus(await ann.call('POST', `/sessions/${ended.id}/end`), 200);
    const refused = await Promise.all(
      [theirs.id, ended.id, randomUUID()].map((session_id) =>
        post(ann, 'entities', { entities: [{ type: 'TASK', name: uniqueName(), session_id }] }),
      ),
    );
    expect(new Set(refused.map(withoutRequestId)).size).toBe(1);
    expect(refused[0]?.body.code).toBe('session_not_joined');
  });

  it('a token that is bound to a session writes only there unless it carries graph:own', async () => {
    const { id: session } = await startSession(ann);
    const { id: another } = await startSession(ann);
    const bound = await boundToken(ann, session, ['graph:read', 'graph:write']);
    const owner = await boundToken(ann, session, ['graph:read', 'graph:write', 'graph:own']);
    expect((await create(bound)).entity.session_id).toBe(session);
    for (const session_id of [null, another]) {
      const entities = [{ type: 'TASK', name: uniqueName(), session_id }];
      const answer = await post(bound, 'entities', { entities });
      expect([403, answer.body.code]).toEqual([
        answer.status,
        session_id === null ? 'permission_missing' : answer.body.code,
      ]);
    }
    expect((await create(owner, { session_id: null })).entity.session_id).toBeNull();
    const { entity: own } = await create(ann);
    expectStatus(await bound.call('DELETE', `/graph/entities/${own.id}`), 404);
    expectStatus(await owner.call('DELETE', `/graph/entities/${own.id}`), 204);
  });

  it('each scope has a name of its own, and a name in several scopes is refused with the candidates', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const name = uniqueName('Acme');
    const own = await create(ann, { name });
    const shared = await create(ann, { name, session_id: session });
    const bens = await create(ben, { name });
    expect(new Set([own, shared, bens].map((one) => one.entity.id)).size).toBe(3);
    const observe = (entity: object) => post(ann, 'observations', { observations: [{ entity, contents: ['seen'] }] });
    const answer = await observe({ name });
    expect(answer.status).toBe(409);
    const candidates = answer.body.errors.filter(({ field }: any) => field.startsWith('candidates/'));
    expect(candidates).toHaveLength(2);
    for (const { entity } of [own, shared]) expect(answer.text).toContain(entity.id);
    expect(answer.text).not.toContain(bens.entity.id);
    const added = expectStatus(await observe({ name, session_id: null }), 201).body.observations[0];
    expect(added.entity_id).toBe(own.entity.id);
    const inSession = expectStatus(await observe({ name, session_id: session }), 201).body.observations[0];
    expect(inSession.entity_id).toBe(shared.entity.id);
  });
});

describe('what the caller cannot see', () => {
  it('a hidden entity and an absent one are answered alike, and nothing of the request is written', async () => {
    const { entity: hidden } = await create(ben, { observations: ['private'] });
    const { entity: mine } = await create(ann);
    const requests = (id: string): Promise<Answer<any>>[] => [
      ann.call('GET', `/graph/entities/${id}`),
      ann.call('PATCH', `/graph/entities/${id}`, { body: { name: 'x' } }),
      ann.call('DELETE', `/graph/entities/${id}`),
      post(ann, `entities/${id}/merge`, { into: mine.id }),
      post(ann, `entities/${mine.id}/merge`, { into: id }),
      post(ann, 'observations', { observations: [{ entity: { id }, contents: ['x'] }] }),
      ann.call('DELETE', '/graph/observations', {
        body: { observations: [{ entity: { id }, contents: ['private'] }] },
      }),
      ann.call('PATCH', `/graph/observations/${id}`, { body: { invalid_at: null } }),
      ann.call('PATCH', `/graph/relations/${id}`, { body: { invalid_at: null } }),
    ];
    const [one, other] = await Promise.all(
      [requests(hidden.id), requests(randomUUID())].map((all) => Promise.all(all)),
    );
    expect(one?.map(withoutRequestId)).toEqual(other?.map(withoutRequestId));
    expect(one?.map(({ status }) => status)).toEqual(one?.map(() => 404));
    expect(contentsOf((await get(ben, hidden.id)).entity)).toEqual(['private']);
  });

  it('of three relations, one to a hidden entity refuses all and is named', async () => {
    const { entity: hidden } = await create(ben);
    const [from, to] = [(await create(ann)).entity, (await create(ann)).entity];
    const relate = (id: string) => {
      const ends = [to.id, id, to.id].map((end, at) => ({ from: { id: from.id }, to: { id: end }, type: `r${at}` }));
      return post(ann, 'relations', { relations: ends });
    };
    const answers = [await relate(hidden.id), await relate(randomUUID())];
    expect(new Set(answers.map(withoutRequestId)).size).toBe(1);
    expect(answers[0]?.body.errors.map(({ field }: any) => field)).toEqual(['relations/1/to']);
    expect(await rowsOf('memory_relations', 'from_id = $1', from.id)).toBe(0);
    expectStatus(await relate(to.id), 201);
  });

  it('whoever left a session no longer changes what they wrote there', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { entity } = await create(ben, {}, { session });
    expectStatus(await ben.call('DELETE', `/sessions/${session}/participants/${ben.id}`), 204);
    expectStatus(await ben.call('DELETE', `/graph/entities/${entity.id}`), 404);
    expectStatus(await ann.call('DELETE', `/graph/entities/${entity.id}`), 204);
  });

  it('what is remembered of an ended session can be read, and not changed', async () => {
    const { id: session } = await startSession(ann);
    const { entity } = await create(ann, { observations: ['said'] }, { session });
    const { entity: own } = await create(ann);
    expectStatus(await ann.call('POST', `/sessions/${session}/end`), 200);
    const refused = [
      await ann.call('PATCH', `/graph/entities/${entity.id}`, { body: { name: 'x' } }),
      await ann.call('DELETE', `/graph/entities/${entity.id}`),
      await post(ann, `entities/${entity.id}/merge`, { into: own.id }),
      await ann.call('PATCH', `/graph/observations/${entity.observations[0].id}`, { body: { invalid_at: null } }),
      await ann.call('DELETE', '/graph/observations', {
        body: { observations: [{ entity: { id: entity.id }, contents: ['said'] }] },
      }),
    ];
    expect(refused.map(({ status, body }) => `${status} ${body.code}`)).toEqual(
      refused.map(() => '409 state_conflict'),
    );
    const observations = [{ entity: { id: entity.id }, contents: ['my own note on it'] }];
    expectStatus(await post(ann, 'observations', { observations }), 201);
    expect(contentsOf((await get(ann, entity.id)).entity)).toEqual(['said', 'my own note on it']);
  });

  it('every present participant changes and deletes the facts of their session, and each fact names its author', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { entity } = await create(ann, { observations: ['a'] }, { session });
    const observations = [{ entity: { id: entity.id }, contents: ['pays to account 12'], source: `said by ${ann.id}` }];
    const added = expectStatus(await post(ben, 'observations', { observations }, { session }), 201).body
      .observations[0];
    expect(added.observation).toMatchObject({ author_id: ben.id, session_id: session });
    const body = { observations: [{ entity: { id: entity.id }, contents: ['a'] }] };
    expect(expectStatus(await ben.call('DELETE', '/graph/observations', { body, session }), 200).body.deleted).toBe(1);
    const changed = await ben.call('PATCH', `/graph/entities/${entity.id}`, { body: { tags: ['t'] } });
    expect(expectStatus(changed, 200).body).toMatchObject({ tags: ['t'], version: 2, author_id: ann.id });
  });
});

describe('derived nodes', () => {
  it('remembered facts can be about a user, a session and a secret that the caller sees', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const secret = await keepSecret(ann);
    const { entity } = await create(ann);
    for (const id of [ben.id, session, secret.id]) {
      const relations = [{ from: { id: entity.id }, to: { id }, type: 'related_to' }];
      const { relation, created } = expectStatus(await post(ann, 'relations', { relations }), 201).body.relations[0];
      expect([relation.to.id, relation.derived, created]).toEqual([id, false, true]);
      const observations = [{ entity: { id }, contents: ['noted'] }];
      expect(expectStatus(await post(ann, 'observations', { observations }), 201).body.observations[0].entity_id).toBe(
        id,
      );
    }
  });

  it('no client can write, rename, merge or delete a derived node', async () => {
    const secret = await keepSecret(ann);
    const { entity } = await create(ann);
    for (const id of [ann.id, secret.id]) {
      const answers = [
        await ann.call('PATCH', `/graph/entities/${id}`, { body: { name: 'x' } }),
        await ann.call('DELETE', `/graph/entities/${id}`),
        await post(ann, `entities/${id}/merge`, { into: entity.id }),
        await post(ann, `entities/${entity.id}/merge`, { into: id }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([409, 409, 409, 409]);
    }
    expectStatus(await ann.call('DELETE', `/graph/entities/${ben.id}`), 409);
    expectStatus(await ann.call('DELETE', `/graph/entities/${(await keepSecret(ben)).id}`), 404);
  });

  it.each(['owns', 'used_secret', 'has_participant', 'performed_by'])(
    'the word %s is refused for a relation to a derived node, and free between remembered ones',
    async (type) => {
      const secret = await keepSecret(ann);
      const [from, to] = [(await create(ann)).entity, (await create(ann)).entity];
      const relate = (id: string) =>
        post(ann, 'relations', { relations: [{ from: { id: from.id }, to: { id }, type }] });
      const answer = await relate(secret.id);
      expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'relations/0/type']);
      expect(expectStatus(await relate(to.id), 201).body.relations[0].relation.derived).toBe(false);
    },
  );

  it('users keep metadata of themselves, which only they read and change', async () => {
    const self = (who: Person, body: object) => post(who, 'users', body);
    const first = expectStatus(await self(ann, { username: 'Ann', metadata: { editor: 'Helix' } }), 200).body;
    expect(first).toMatchObject({ id: ann.id, type: 'USER', derived: true, metadata: { editor: 'Helix' } });
    const again = expectStatus(await self(ann, { username: 'ann' }), 200).body;
    expect(again).toEqual(first);
    expect((await get(ann, ann.id)).entity.metadata).toEqual({ editor: 'Helix' });
    expectStatus(await self(ann, { username: 'ben' }), 409);
    const refused = [
      await self(ann, { user_id: ben.id, username: 'ben' }),
      await self(ann, { user_id: randomUUID(), username: 'ben' }),
    ];
    expect(new Set(refused.map(withoutRequestId)).size).toBe(1);
    expect(refused[0]?.status).toBe(403);
  });

  it('an administrator sets metadata of a user only where there is none', async () => {
    const { cem } = await people(app, admin, 'cem');
    const set = (metadata?: object) => post(admin, 'users', { user_id: cem.id, username: 'cem', metadata });
    expect(expectStatus(await set(), 200).body).toMatchObject({ id: cem.id, metadata: null });
    expectStatus(await set({ team: 'red' }), 200);
    expectStatus(await set({ team: 'blue' }), 409);
    expect((await get(cem, cem.id)).entity.metadata).toEqual({ team: 'red' });
    const own = await post(cem, 'users', { username: 'cem', metadata: { team: 'green' } });
    expect(expectStatus(own, 200).body.metadata).toEqual({ team: 'green' });
    expectStatus(await post(admin, 'users', { user_id: randomUUID(), username: 'nobody' }), 404);
  });

  it('metadata of sessions and secrets belongs to who is present and to who owns', async () => {
    const { id: session_id } = await startSession(ann, [ben]);
    const secret = await keepSecret(ann, { scope: 'shared', shared_with: [ben.id] });
    const kept = [
      await post(ann, 'sessions', { session_id, metadata: { topic: 'release' } }),
      await post(ben, 'sessions', { session_id }),
      await post(ann, 'secrets', { secret_id: secret.id, metadata: { for: 'invoices' } }),
    ];
    const [a, b, c] = kept.map((answer) => expectStatus(answer, 200).body);
    expect([a.metadata, b.metadata, c.metadata]).toEqual([{ topic: 'release' }, null, { for: 'invoices' }]);
    const strange = await post(ben, 'secrets', { secret_id: secret.id });
    expect([strange.status, strange.body.code]).toEqual([403, 'owner_only']);
    const hidden = await post(ben, 'secrets', { secret_id: (await keepSecret(ann)).id });
    const absent = await post(ben, 'secrets', { secret_id: randomUUID() });
    expect([withoutRequestId(hidden), hidden.status]).toEqual([withoutRequestId(absent), 404]);
    expectStatus(await post(admin, 'sessions', { session_id }), 404);
  });
});

describe('deleting', () => {
  it('a deleted entity leaves nothing behind, and one of its name knows nothing of it', async () => {
    const { entity: a } = await create(ann);
    const { entity: b } = await create(ann, { observations: ['of b'] });
    const { entity: c } = await create(ann);
    expectStatus(await post(ann, `entities/${c.id}/merge`, { into: b.id }), 200);
    const relations = [
      { from: { id: a.id }, to: { id: b.id }, type: 'r' },
      { from: { id: b.id }, to: { id: a.id }, type: 'r' },
    ];
    expectStatus(await post(ann, 'relations', { relations }), 201);
    expectStatus(await ann.call('DELETE', `/graph/entities/${b.id}`), 204);
    expectStatus(await ann.call('GET', `/graph/entities/${c.id}`), 404);
    expect((await get(ann, a.id)).relations).toEqual([]);
    for (const table of ['memory_names', 'memory_merges', 'memory_observations'])
      expect(await rowsOf(table, 'entity_id = $1', b.id)).toBe(0);
    const { entity: anew, created } = await create(ann, { name: b.name });
    expect([created, anew.id === b.id, anew.observations]).toEqual([true, false, []]);
  });

  it('deleting one of two equal observations leaves the other', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { entity: one } = await create(ann, { observations: ['same'] });
    const { entity: two } = await create(ann, { observations: ['same'] });
    const { entity: shared } = await create(ann, { observations: ['same'], session_id: session });
    const note = { observations: [{ entity: { id: shared.id }, contents: ['same'] }] };
    expectStatus(await post(ann, 'observations', note), 201);
    const forget = (id: string, options = {}) =>
      ann.call('DELETE', '/graph/observations', {
        ...options,
        body: { observations: [{ entity: { id }, contents: ['same'] }] },
      });
    expect(expectStatus(await forget(one.id), 200).body.deleted).toBe(1);
    expect(contentsOf((await get(ann, two.id)).entity)).toEqual(['same']);
    // Outside the session, it is the caller's own of the two.
    expect(expectStatus(await forget(shared.id), 200).body.deleted).toBe(1);
    expect((await get(ann, shared.id)).entity.observations).toMatchObject([{ content: 'same', session_id: session }]);
    expect(expectStatus(await forget(shared.id), 200).body.deleted).toBe(1);
    expect(expectStatus(await forget(shared.id), 200).body.deleted).toBe(0);
  });

  it('relations are deleted by their ends and their type', async () => {
    const [from, to] = [(await create(ann)).entity, (await create(ann)).entity];
    const relations = ['works at', 'x]->() DELETE n //'].map((type) => ({
      from: { id: from.id },
      to: { name: to.name },
      type,
    }));
    expectStatus(await post(ann, 'relations', { relations }), 201);
    const answer = await ann.call('DELETE', '/graph/relations', { body: { relations: relations.slice(0, 1) } });
    expect(expectStatus(answer, 200).body.deleted).toBe(1);
    expect((await get(ann, from.id)).relations.map((one: any) => one.type)).toEqual(['x]->() DELETE n //']);
  });

  it('deleting an entity deletes the relations that others made to it in their own scopes', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { entity: shared } = await create(ann, {}, { session });
    const { entity: own } = await create(ben);
    const relations = [{ from: { id: own.id }, to: { id: shared.id }, type: 'r' }];
    expectStatus(await post(ben, 'relations', { relations }), 201);
    expectStatus(await ann.call('DELETE', `/graph/entities/${shared.id}`), 204);
    expect(await rowsOf('memory_relations', 'from_id = $1', own.id)).toBe(0);
  });
});

describe('activities', () => {
  const reveal = async (who: Person, id: string, session?: string): Promise<string> =>
    expectStatus(await who.call('GET', `/secrets/${id}/value`, { session }), 200).body.use_id;

  it('an activity contains the recorded uses of its author in its session', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const secret = await keepSecret(ann);
    const use = await reveal(ann, secret.id, session);
    const body = { type: 'TERMINAL_ACTIVITY', content: 'deployed', secrets_used: [use] };
    const { entity, uses } = expectStatus(await post(ann, 'activities', body, { session }), 201).body;
    expect(entity).toMatchObject({ type: 'TERMINAL_ACTIVITY', session_id: session, author_id: ann.id });
    expect(contentsOf(entity)).toEqual(['deployed']);
    expect(uses).toMatchObject([{ id: use, type: 'SECRET_USAGE', derived: true }]);
    expect(JSON.stringify(await get(ann, entity.id))).toContain(use);
  });

  it('a use that is not the caller’s own in this session cannot be claimed, whatever it is', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { id: another } = await startSession(ann);
    const secret = await keepSecret(ann, { scope: 'shared', shared_with: [ben.id] });
    const foreign = [
      await reveal(ben, secret.id, session),
      await reveal(ann, secret.id, another),
      await reveal(ann, secret.id),
      secret.id,
      randomUUID(),
    ];
    const claim = (...secrets_used: string[]) =>
      post(ann, 'activities', { type: 'TASK', content: 'claimed', secrets_used }, { session });
    const good = await reveal(ann, secret.id, session);
    const answers = [];
    for (const use of foreign) answers.push(await claim(good, use));
    expect(new Set(answers.map(withoutRequestId)).size).toBe(1);
    expect([answers[0]?.status, answers[0]?.body.errors[0].field]).toEqual([404, 'secrets_used/1']);
    expect(await rowsOf('memory_uses', 'use_id = any($1)', [...foreign, good])).toBe(0);
    expectStatus(await claim(good, good), 201);
    const twice = await claim(good);
    expect([twice.status, twice.body.errors[0].field]).toEqual([409, 'secrets_used/0']);
  });

  it('a record of a reveal that was altered is no use', async () => {
    const { id: session } = await startSession(ann);
    const secret = await keepSecret(ann);
    const use = await reveal(ann, secret.id, session);
    await app.database.client.query('alter table audit_log disable trigger all');
    await app.database.client.query("update audit_log set ip = '192.0.2.1' where id = $1", [use]);
    await app.database.client.query('alter table audit_log enable trigger all');
    const body = { type: 'TASK', content: 'x', secrets_used: [use] };
    expectStatus(await post(ann, 'activities', body, { session }), 404);
  });

  it('an activity needs a session', async () => {
    const answer = await post(ann, 'activities', { type: 'TASK', content: 'x' });
    expect([answer.status, answer.body.errors[0].field]).toEqual([400, 'session_id']);
    const { id: session_id } = await startSession(ann);
    expectStatus(await post(ann, 'activities', { type: 'TASK', content: 'x', session_id }), 201);
  });
});

describe('repeating a creation', () => {
  const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });

  it('a repeated creation is answered as the first, with the entity as it is now', async () => {
    const body = { entities: [{ type: 'TASK', name: uniqueName(), observations: ['a'] }] };
    const first = expectStatus(await post(ann, 'entities', body, keyed('k-1')), 201).body.entities[0];
    const observations = [{ entity: { id: first.entity.id }, contents: ['b'] }];
    const added = expectStatus(await post(ann, 'observations', { observations }, keyed('k-2')), 201).body;
    const again = expectStatus(await post(ann, 'entities', body, keyed('k-1')), 201).body.entities[0];
    expect([again.created, contentsOf(again.entity)]).toEqual([true, ['a', 'b']]);
    expect(expectStatus(await post(ann, 'observations', { observations }, keyed('k-2')), 201).body).toEqual(added);
    const without = expectStatus(await post(ann, 'observations', { observations }), 201).body.observations[0];
    expect([without.created, without.observation.id]).toEqual([false, added.observations[0].observation.id]);
    expectStatus(await ann.call('DELETE', `/graph/entities/${first.entity.id}`), 204);
    expectStatus(await post(ann, 'entities', body, keyed('k-1')), 404);
  });

  it('a repeated activity claims its uses once', async () => {
    const { id: session } = await startSession(ann);
    const secret = await keepSecret(ann);
    const use = expectStatus(await ann.call('GET', `/secrets/${secret.id}/value`, { session }), 200).body.use_id;
    const body = { type: 'TASK', content: 'x', secrets_used: [use] };
    const first = expectStatus(await post(ann, 'activities', body, { session, ...keyed('k-3') }), 201).body;
    expect(expectStatus(await post(ann, 'activities', body, { session, ...keyed('k-3') }), 201).body).toEqual(first);
  });
});

it('a fact that is over the limit or whose entity is gone refuses the whole request', async () => {
  const { entity } = await create(ann);
  const contents = Array.from({ length: 100 }, (_, at) => `fact ${at}`);
  contents[57] = 'x'.repeat(64 * 1024 + 1);
  const observations = [{ entity: { id: entity.id }, contents }];
  expectStatus(await post(ann, 'observations', { observations }), 400);
  const gone = [
    { entity: { id: entity.id }, contents: ['kept?'] },
    { entity: { id: randomUUID() }, contents: ['x'] },
  ];
  expectStatus(await post(ann, 'observations', { observations: gone }), 404);
  expect(await rowsOf('memory_observations', 'entity_id = $1', entity.id)).toBe(0);
});

it('a change of the memory and its refusal are recorded without a word of it', async () => {
  const word = 'QVXJZKWPTMNB';
  const { entity } = await create(ann, { name: word, observations: [`${word} content`], tags: [word] });
  expectStatus(
    await ann.call('PATCH', `/graph/entities/${entity.id}`, { body: { attributes: { [word]: word } } }),
    200,
  );
  expectStatus(await ann.call('DELETE', `/graph/entities/${entity.id}`), 204);
  expectStatus(await ann.call('DELETE', `/graph/entities/${entity.id}`), 404);
  const { rows } = await app.database.client.query(
    'select action, outcome, audit_log::text as text from audit_log order by id desc limit 4',
  );
  expect(rows.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    'graph.delete refused',
    'graph.delete allowed',
    'graph.update allowed',
    'graph.write allowed',
  ]);
  for (const { text } of rows) expect(text).not.toContain(word);
});
