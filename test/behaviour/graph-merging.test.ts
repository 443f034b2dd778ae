import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { type Remembered, remember } from '../support/remembered.ts';

let app: TestApp;
let ann: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ann, ben } = await people(app, await logInAdmin(app), 'ann', 'ben'));
});
afterAll(() => app.close());

const relate = async (who: Person, ...all: (readonly [Remembered, string, Remembered])[]) => {
  const relations = all.map(([from, type, to]) => ({ from: { id: from.id }, to: { id: to.id }, type }));
  return expectStatus(await who.call('POST', '/graph/relations', { body: { relations } }), 201).body.relations;
};

const merge = (who: Person, one: Pick<Remembered, 'id'>, into: Pick<Remembered, 'id'>): Promise<Answer<any>> =>
  who.call('POST', `/graph/entities/${one.id}/merge`, { body: { into: into.id } });

const read = async (who: Person, id: string) =>
  expectStatus(await who.call('GET', `/graph/entities/${id}?relations=true`), 200).body;

const change = (id: string, body: object, version?: number) =>
  ann.call('PATCH', `/graph/entities/${id}`, {
    body,
    ...(version === undefined ? {} : { headers: { 'if-match': `"${version}"` } }),
  });

/** The relations of an entity as `from type to`, by names. */
const edgesOf = (relations: any[]): string[] =>
  relations.map(({ from, type, to }) => `${from.name} ${type} ${to.name}`).sort();

const idOfName = async (name: string): Promise<string> => (await remember(ann, { name })).id;

describe('merging', () => {
  it('relations and observations of both are the survivor’s, each once, and none between the two stays', async () => {
    const [a, b, c] = [
      await remember(ann, { observations: ['x', 'of a'], tags: ['t', 'u'], attributes: { k: 1, only: 'a' } }),
      await remember(ann, { observations: ['x', 'of b'], tags: ['u', 'v'], attributes: { k: 2 } }),
      await remember(ann),
    ];
    await relate(ann, [a, 'knows', b], [b, 'knows', a], [c, 'knows', a], [c, 'knows', b], [a, 'likes', c]);
    const survivor = expectStatus(await merge(ann, a, b), 200).body;
    expect(survivor).toMatchObject({ id: b.id, name: b.name, aliases: [a.name], version: 2, tags: ['u', 'v', 't'] });
    expect(survivor.attributes).toEqual({ k: 2, only: 'a' });
    expect(survivor.observations.map((one: any) => one.content).sort()).toEqual(['of a', 'of b', 'x']);
    const { relations } = await read(ann, b.id);
    expect(edgesOf(relations)).toEqual([`${c.name} knows ${b.name}`, `${b.name} likes ${c.name}`].sort());
  });

  it('ids and names of merged entities lead to the survivor, however often it is merged', async () => {
    const [a, b, c] = [await remember(ann), await remember(ann), await remember(ann)];
    expectStatus(await merge(ann, a, b), 200);
    expect(await idOfName(a.name)).toBe(b.id);
    expectStatus(await merge(ann, b, c), 200);
    for (const { id, name } of [a, b, c]) {
      expect((await read(ann, id)).entity.id).toBe(c.id);
      expect(await idOfName(name)).toBe(c.id);
    }
    expect((await read(ann, c.id)).entity.aliases).toEqual([a.name, b.name].sort());
    await relate(ann, [a, 'self', b]);
    expect(edgesOf((await read(ann, c.id)).relations)).toEqual([`${c.name} self ${c.name}`]);
    const links = 'select merged_id from memory_merges where entity_id = $1';
    expect((await app.database.client.query(links, [c.id])).rows).toHaveLength(2);
    expectStatus(await ann.call('DELETE', `/graph/entities/${a.id}`), 204);
    expectStatus(await ann.call('GET', `/graph/entities/${c.id}`), 404);
  });

  it('an entity of another type does not get the name of a merged one', async () => {
    const [a, b] = [await remember(ann), await remember(ann)];
    expectStatus(await merge(ann, a, b), 200);
    const entities = [{ type: 'PERSON', name: a.name }];
    expect(expectStatus(await ann.call('POST', '/graph/entities', { body: { entities } }), 409).text).toContain(b.id);
  });

  it('an entity is not merged into itself, and of two crossed merges one is refused', async () => {
    const [a, b] = [await remember(ann), await remember(ann)];
    expectStatus(await merge(ann, a, a), 400);
    const crossed = await Promise.all([merge(ann, a, b), merge(ann, b, a)]);
    expect(crossed.map(({ status }) => status).sort()).toEqual([200, 409]);
    expectStatus(await merge(ann, a, b), 409);
    expect((await read(ann, a.id)).entity.id).toBe((await read(ann, b.id)).entity.id);
  });

  it('entities of two scopes are not merged, and those of others are not found', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const [own, shared, theirs] = [await remember(ann), await remember(ann, {}, { session }), await remember(ben)];
    expectStatus(await merge(ann, own, shared), 409);
    expectStatus(await merge(ann, own, theirs), 404);
    expectStatus(await merge(ben, shared, theirs), 409);
    expectStatus(await merge(ben, shared, await remember(ann, {}, { session })), 200);
  });

  it('facts that others keep about a merged entity follow it', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const [a, b] = [await remember(ann, {}, { session }), await remember(ann, {}, { session })];
    const mine = await remember(ben);
    await relate(ben, [mine, 'about', a]);
    const body = { observations: [{ entity: { id: a.id }, contents: ['note of Ben'] }] };
    expectStatus(await ben.call('POST', '/graph/observations', { body }), 201);
    expectStatus(await merge(ann, a, b), 200);
    const { entity, relations } = await read(ben, b.id);
    expect([edgesOf(relations), entity.observations[0].content]).toEqual([
      [`${mine.name} about ${b.name}`],
      'note of Ben',
    ]);
    expect((await read(ann, b.id)).entity.observations).toEqual([]);
  });

  it('what has ended stays apart from what holds, and times that are equal become one', async () => {
    const [a, b, c] = [await remember(ann), await remember(ann), await remember(ann)];
    const at = (from: Remembered, times: object) => ({ from: { id: from.id }, to: { id: c.id }, type: 'r', ...times });
    const old = { valid_at: '2020-01-01T00:00:00Z', invalid_at: '2021-01-01T00:00:00Z' };
    const relations = [at(a, {}), at(a, old), at(b, {}), at(b, old), at(a, { invalid_at: '2022-01-01T00:00:00Z' })];
    expectStatus(await ann.call('POST', '/graph/relations', { body: { relations } }), 201);
    expectStatus(await merge(ann, a, b), 200);
    expect((await read(ann, b.id)).relations).toHaveLength(3);
  });

  it('the uses of a merged activity are the survivor’s', async () => {
    const { id: session } = await startSession(ann);
    const secret = await keepSecret(ann);
    const activity = async () => {
      const answer = await ann.call('GET', `/secrets/${secret.id}/value`, { session });
      const body = { type: 'TASK', content: 'did it', secrets_used: [expectStatus(answer, 200).body.use_id] };
      return expectStatus(await ann.call('POST', '/graph/activities', { session, body }), 201).body;
    };
    const [one, other] = [await activity(), await activity()];
    expectStatus(await merge(ann, one.entity, other.entity), 200);
    const list = await ann.call('GET', `/graph/activities?session_id=${session}`);
    const { activities: items } = expectStatus(list, 200).body;
    expect(items).toHaveLength(1);
    expect(items[0].uses.map(({ id }: any) => id).sort()).toEqual([one.uses[0].id, other.uses[0].id].sort());
  });

  it('entities whose tags together are too many are not merged', async () => {
    const tags = (from: number) => Array.from({ length: 40 }, (_, at) => `t${from + at}`);
    const [a, b] = [await remember(ann, { tags: tags(0) }), await remember(ann, { tags: tags(30) })];
    expectStatus(await merge(ann, a, b), 409);
    expectStatus(await change(a.id, { tags: tags(10) }), 200);
    expectStatus(await merge(ann, a, b), 200);
  });

  it('hubs of thousands of facts are merged and deleted', async () => {
    const [a, b] = [await remember(ann), await remember(ann)];
    const { client } = app.database;
    const scope = '(select scope_id from memory_entities where id = $1)';
    await client.query(
      `insert into memory_entities (id, scope_id, type, name, attributes, tags, is_activity, version, created_at, updated_at,
          search, keys) select gen_random_uuid(), scope_id, 'TASK', 'far ' || n, '{}', '[]', false, 1, now(), now(), '', '{}'
        from memory_entities, generate_series(1, 3000) as n where id = $1`,
      [a.id],
    );
    for (const [hub, limit] of [
      [a.id, 3000],
      [b.id, 2500],
    ] as const)
      await client.query(
        `insert into memory_relations select gen_random_uuid(), ${scope}, $1, id, 'r', '{}', null, null, null, null, null,
          null, now() from memory_entities where name like 'far %' order by name limit ${limit}`,
        [hub],
      );
    expectStatus(await merge(ann, a, b), 200);
    const count = 'select count(*)::int as n from memory_relations where from_id = $1';
    expect((await client.query(count, [b.id])).rows[0].n).toBe(3000);
    expectStatus(await ann.call('DELETE', `/graph/entities/${b.id}`), 204);
    expect((await client.query(count, [b.id])).rows[0].n).toBe(0);
  });
});

it('an entity of which too much is known to move it is refused, and the other one can be merged into it', async () => {
  const [big, small] = [await remember(ann), await remember(ann, { observations: ['small'] })];
  await app.database.client.query(
    `insert into memory_observations (id, entity_id, scope_id, content, digest, created_at, search, keys)
      select gen_random_uuid(), id, scope_id, n, sha256(n::text::bytea), now(), '', '{}'
      from memory_entities, generate_series(1, 10001) as n where id = $1`,
    [big.id],
  );
  expect(expectStatus(await merge(ann, big, small), 409).body.detail).toContain('into this one');
  expectStatus(await merge(ann, small, big), 200);
});

describe('changing an entity', () => {
  it('renaming keeps the id and the relations, and frees the old name', async () => {
    const [a, b] = [await remember(ann), await remember(ann)];
    await relate(ann, [a, 'r', b]);
    const renamed = expectStatus(await change(a.id, { name: `${a.name} new` }), 200).body;
    expect(renamed).toMatchObject({ id: a.id, version: 2, aliases: [] });
    expect(edgesOf((await read(ann, b.id)).relations)).toEqual([`${a.name} new r ${b.name}`]);
    expect(await idOfName(a.name)).not.toBe(a.id);
    const found = expectStatus(await ann.call('GET', `/graph/search?q=${encodeURIComponent(`${a.name} new`)}`), 200);
    expect(found.body.results[0].entity.id).toBe(a.id);
  });

  it('a name or an alias that another entity has is refused with its id', async () => {
    const [a, b, c] = [await remember(ann), await remember(ann), await remember(ann)];
    expectStatus(await merge(ann, a, b), 200);
    for (const name of [a.name, b.name]) {
      const answer = expectStatus(await change(c.id, { name }), 409);
      expect([answer.body.code, answer.text.includes(b.id)]).toEqual(['name_taken', true]);
    }
    expect(expectStatus(await change(b.id, { name: a.name }), 200).body).toMatchObject({ name: a.name, aliases: [] });
  });

  it('of two changes to one version the second is refused', async () => {
    const { id } = await remember(ann);
    expectStatus(await change(id, { tags: ['one'] }, 1), 200);
    const second = await change(id, { tags: ['two'] }, 1);
    expect([second.status, second.body.code]).toEqual([412, 'revision_mismatch']);
    expectStatus(await change(id, { tags: ['two'] }, 2), 200);
    const { entity } = await read(ann, id);
    expect([entity.tags, entity.version]).toEqual([['two'], 3]);
  });

  it('fields that are left out stay, and those that are given are replaced whole', async () => {
    const { id, name } = await remember(ann, { attributes: { a: 1 }, tags: ['t'] });
    expectStatus(await change(id, { attributes: { b: 2 } }), 200);
    expect((await read(ann, id)).entity).toMatchObject({ name, attributes: { b: 2 }, tags: ['t'] });
    expectStatus(await change(id, { tags: [] }), 200);
    expect((await read(ann, id)).entity).toMatchObject({ attributes: { b: 2 }, tags: [] });
  });
});
