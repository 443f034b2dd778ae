import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { remember } from '../support/remembered.ts';

let app: TestApp;
let ann: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ann, ben } = await people(app, await logInAdmin(app), 'ann', 'ben'));
});
afterAll(() => app.close());

type Body = Record<string, unknown>;

const sendFact = (entity: object, content: string, more: Body = {}): Promise<Answer<any>> =>
  ann.call('POST', '/graph/observations', { body: { observations: [{ entity, contents: [content], ...more }] } });

/** Adds one observation; resolves to it and whether it was new. */
const observe = async (id: string, content: string, more: Body = {}) =>
  expectStatus(await sendFact({ id }, content, more), 201).body.observations[0];

const sendRelation = (from: string, to: string, more: Body = {}): Promise<Answer<any>> => {
  const relations = [{ from: { id: from }, to: { id: to }, type: 'works_at', ...more }];
  return ann.call('POST', '/graph/relations', { body: { relations } });
};

const relate = async (from: string, to: string, more: Body = {}) =>
  expectStatus(await sendRelation(from, to, more), 201).body.relations[0];

const end = (kind: 'observations' | 'relations', id: string, invalid_at: string | null) =>
  ann.call('PATCH', `/graph/${kind}/${id}`, { body: { invalid_at } });

const read = async (id: string) =>
  expectStatus(await ann.call('GET', `/graph/entities/${id}?relations=true`), 200).body;

const observationsOf = async (id: string) => (await read(id)).entity.observations;

const past = '2020-01-01T00:00:00.000Z';
const later = '2021-01-01T00:00:00.000Z';
const future = '2126-01-01T00:00:00.000Z';

describe('the same fact twice', () => {
  it('an observation that holds already is not added again', async () => {
    const { id } = await remember(ann);
    const first = await observe(id, 'likes tea', { source: 'chat', confidence: 0.5 });
    const again = await observe(id, 'likes tea', { confidence: 0.9, valid_at: past });
    expect([first.created, again.created]).toEqual([true, false]);
    expect(again.observation).toEqual(first.observation);
    expect(await observationsOf(id)).toHaveLength(1);
  });

  it('an observation of the same words in another scope, or with other spaces, is another one', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { id } = await remember(ann, {}, { session });
    const added = [
      await observe(id, 'likes tea'),
      await observe(id, 'likes tea', { session_id: session }),
      await observe(id, 'likes tea '),
    ];
    expect(added.map((one) => one.created)).toEqual([true, true, true]);
  });

  it('an observation that has ended is a new fact when it is added again', async () => {
    const { id } = await remember(ann);
    const first = await observe(id, 'lives in Rome');
    expectStatus(await end('observations', first.observation.id, later), 200);
    const second = await observe(id, 'lives in Rome', { valid_at: later });
    expect([second.created, second.observation.id === first.observation.id]).toEqual([true, false]);
    expect((await observationsOf(id)).map((one: any) => one.invalid_at)).toEqual([later, null]);
  });

  it('what ended in the past can be recorded beside what holds now, once', async () => {
    const { id } = await remember(ann);
    const now = await observe(id, 'is ill');
    const ended = await observe(id, 'is ill', { valid_at: past, invalid_at: later });
    const again = await observe(id, 'is ill', { valid_at: past, invalid_at: later });
    expect([ended.created, again.created]).toEqual([true, false]);
    expect(new Set([now, ended, again].map((one) => one.observation.id)).size).toBe(2);
  });

  it('a relation that holds already is not made again, whatever its attributes', async () => {
    const [from, to] = [(await remember(ann)).id, (await remember(ann)).id];
    const first = await relate(from, to, { attributes: { since: 2020 } });
    const again = await relate(from, to, { attributes: { since: 2021 } });
    expect([again.created, again.relation]).toEqual([false, first.relation]);
    expect((await relate(to, from)).created).toBe(true);
    expect((await relate(from, to, { type: 'Works_at' })).created).toBe(true);
  });

  it('a relation may lead from an entity to itself', async () => {
    const { id } = await remember(ann);
    const { relation } = await relate(id, id);
    expect((await read(id)).relations).toEqual([relation]);
  });
});

describe('the times of a fact', () => {
  it('adding a fact ends no other one', async () => {
    const [person, acme, labs] = [(await remember(ann)).id, (await remember(ann)).id, (await remember(ann)).id];
    await relate(person, acme);
    await relate(person, labs, { type: 'manages' });
    await relate(person, labs);
    expect((await read(person)).relations.map((one: any) => one.invalid_at)).toEqual([null, null, null]);
  });

  it('a fact is stored with the times that were given, in any zone', async () => {
    const { id } = await remember(ann);
    const times = { valid_at: '2020-01-01T02:00:00+02:00', invalid_at: future };
    expect((await observe(id, 'a', times)).observation).toMatchObject({ valid_at: past, invalid_at: future });
    const { relation } = await relate(id, id, { valid_at: past, invalid_at: later });
    expect(relation).toMatchObject({ valid_at: past, invalid_at: later });
  });

  it.each([
    ['that does not exist', { valid_at: '2026-02-30T10:00:00Z' }],
    ['without a zone', { valid_at: '2026-02-03T10:00' }],
    ['before its beginning', { valid_at: later, invalid_at: past }],
    ['at its beginning', { valid_at: past, invalid_at: past }],
  ])('a fact with a time %s is refused', async (_, times) => {
    const { id } = await remember(ann);
    expectStatus(await sendFact({ id }, 'a', times), 400);
    expectStatus(await sendRelation(id, id, times), 400);
    expect((await read(id)).entity.observations).toEqual([]);
  });

  it('a fact can be ended, and the end taken back', async () => {
    const { id } = await remember(ann);
    const facts = [
      ['observations', (await observe(id, 'a', { valid_at: past })).observation.id],
      ['relations', (await relate(id, id, { valid_at: past })).relation.id],
    ] as const;
    for (const [kind, fact] of facts) {
      expect(expectStatus(await end(kind, fact, later), 200).body).toMatchObject({ id: fact, invalid_at: later });
      expect(expectStatus(await end(kind, fact, null), 200).body.invalid_at).toBeNull();
      expectStatus(await end(kind, fact, past), 400);
    }
    expect((await observationsOf(id))[0].invalid_at).toBeNull();
  });

  it('a fact does not hold again while another one says the same', async () => {
    const { id } = await remember(ann);
    const [first, relation] = [await observe(id, 'a'), await relate(id, id)];
    expectStatus(await end('observations', first.observation.id, later), 200);
    expectStatus(await end('relations', relation.relation.id, later), 200);
    const second = await observe(id, 'a');
    await relate(id, id);
    const answer = expectStatus(await end('observations', first.observation.id, null), 409);
    expect(answer.text).toContain(second.observation.id);
    expectStatus(await end('relations', relation.relation.id, null), 409);
    expectStatus(await end('observations', second.observation.id, past), 200);
    expectStatus(await end('observations', first.observation.id, null), 200);
  });

  it('a fact with an end in the future is the same fact until then, and another one afterwards', async () => {
    const { id } = await remember(ann);
    const soon = new Date(app.clock.now().getTime() + 60_000).toISOString();
    const first = await observe(id, 'on holiday', { invalid_at: soon });
    expect((await observe(id, 'on holiday')).created).toBe(false);
    app.clock.advance(60_000);
    const second = await observe(id, 'on holiday');
    expect([second.created, second.observation.id === first.observation.id]).toEqual([true, false]);
  });
});

describe('how facts name entities', () => {
  it('a name finds the entity of exactly this name and type', async () => {
    const { id, name } = await remember(ann, { type: 'PERSON' });
    expect((await observeBy({ name })).entity_id).toBe(id);
    expect((await observeBy({ name, type: 'PERSON' })).entity_id).toBe(id);
    expectStatus(await sendFact({ name, type: 'person' }, 'x'), 404);
    expectStatus(await sendFact({ name: name.toUpperCase() }, 'x'), 404);
    expectStatus(await sendFact({ name: `${name} ` }, 'x'), 404);
    expectStatus(await sendFact({ name: '%' }, 'x'), 404);
  });

  const observeBy = async (entity: object) => expectStatus(await sendFact(entity, 'x'), 201).body.observations[0];

  it('the names of two sessions whose ids begin alike are kept apart', async () => {
    const [one, ten] = ['chat-1', 'chat-10'];
    await startSession(ann, [], { external_id: one });
    await startSession(ann, [], { external_id: ten });
    const name = 'gqa_attention';
    const first = await remember(ann, { name, session_id: one });
    await remember(ann, { name: 'gqaattention', session_id: one });
    const second = await remember(ann, { name, session_id: ten });
    expect((await observeBy({ name, session_id: one })).entity_id).toBe(first.id);
    expect((await observeBy({ name, session_id: ten })).entity_id).toBe(second.id);
    expectStatus(await sendFact({ name, session_id: 'chat-' }, 'x'), 404);
  });

  it('a fact of a thousand items is stored, and one of more is refused with advice', async () => {
    const { id } = await remember(ann);
    const contents = Array.from({ length: 1001 }, (_, at) => `fact ${at}`);
    const post = (all: string[]) =>
      ann.call('POST', '/graph/observations', { body: { observations: [{ entity: { id }, contents: all }] } });
    expect(expectStatus(await post(contents), 400).text).toContain('import');
    expectStatus(await post(contents.slice(1)), 201);
    const body = { observations: [{ entity: { id }, contents: contents.slice(1) }] };
    expect(expectStatus(await ann.call('DELETE', '/graph/observations', { body }), 200).body.deleted).toBe(1000);
  });
});
