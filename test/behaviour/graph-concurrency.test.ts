import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, isFull } from '../support/counts.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import { expectStatus, joinSession, type Person, startSession, uniqueName } from '../support/people.ts';
import { useTwoServices } from '../support/two-services.ts';

/* Two services on one database, and many clients who write to the same memory at once. */

const two = useTwoServices();

let ann: Person;
let ben: Person;
beforeEach(async () => {
  [ann, ben] = [await two.newUser('ann'), await two.newUser('ben')];
});

/** Nobody may have waited for each other in a circle, even where PostgreSQL and a second try would have hidden it. */
afterEach(async () => {
  const [found] = await two.sql('select deadlocks::int from pg_stat_database where datname = current_database()');
  expect(found.deadlocks).toBe(0);
});

/** A request of a client, which goes to one of the two services. */
const send = (client: number, who: Person, method: string, path: string, options: RequestOptions = {}) =>
  unlessOverloaded(() => {
    const app = two.apps[client % 2 === 0 ? 0 : 1];
    return app.call(method, `/graph/${path}`, { token: who.token, ...options });
  });

const post = (client: number, who: Person, path: string, body: object, options: RequestOptions = {}) =>
  send(client, who, 'POST', path, { ...options, body });

const clients = (many: number, work: (client: number) => Promise<Answer<any>>): Promise<Answer<any>[]> =>
  Promise.all(Array.from({ length: many }, (_, client) => work(client)));

const statusesOf = (answers: readonly Answer<any>[]): number[] =>
  [...new Set(answers.map(({ status }) => status))].sort();

const read = async (who: Person, id: string) =>
  expectStatus(await who.call('GET', `/graph/entities/${id}?relations=true`), 200).body;

const contentsOf = (entity: any): string[] => entity.observations.map((one: any) => one.content).sort();

const newEntity = async (who: Person, name = uniqueName('entity'), options: RequestOptions = {}) => {
  const entities = [{ type: 'TASK', name }];
  return expectStatus(await post(0, who, 'entities', { entities }, options), 201).body.entities[0].entity;
};

/** How many clients write together: fewer in `npm test`, which shares a small machine with other tests. */
const [many, several] = isFull ? [50, 30] : [20, 15];

const rounds = Array.from({ length: count(10) }, (_, round) => round);

describe.each(rounds)('round %i', () => {
  it('of the observations that many clients add to one entity, each that was acknowledged is there once', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const { id } = await newEntity(ann, uniqueName(), { session });
    const answers = await clients(many, (client) => {
      const observations = [{ entity: { id }, contents: [`fact ${client}`] }];
      return post(client, client % 3 === 0 ? ben : ann, 'observations', { observations }, { session });
    });
    expect(statusesOf(answers)).toEqual([201]);
    const expected = answers.map((_, client) => `fact ${client}`).sort();
    expect(contentsOf((await read(ann, id)).entity)).toEqual(expected);
  });

  it('an entity that many clients create at once is one, with the observations of all', async () => {
    const name = uniqueName('Ada');
    const answers = await clients(several, (client) =>
      post(client, ann, 'entities', { entities: [{ type: 'PERSON', name, observations: [`said ${client}`] }] }),
    );
    expect(statusesOf(answers)).toEqual([201]);
    const made = answers.map(({ body }) => body.entities[0]);
    expect(made.filter((one) => one.created)).toHaveLength(1);
    const [id, ...others] = new Set(made.map((one) => one.entity.id));
    expect(others).toEqual([]);
    expect(contentsOf((await read(ann, id)).entity)).toHaveLength(several);
    expectStatus(await post(1, ann, 'entities', { entities: [{ type: 'CONCEPT', name }] }), 409);
  });

  it('a relation that many clients make at once, with different attributes, is one', async () => {
    const [from, to] = [await newEntity(ann), await newEntity(ann)];
    const answers = await clients(several, (client) => {
      const ends = { from: { id: from.id }, to: { name: to.name } };
      return post(client, ann, 'relations', { relations: [{ ...ends, type: 'knows', attributes: { client } }] });
    });
    expect(statusesOf(answers)).toEqual([201]);
    expect(answers.filter(({ body }) => body.relations[0].created)).toHaveLength(1);
    expect((await read(ann, from.id)).relations).toHaveLength(1);
  });

  it('batches in opposite orders, and deletions meanwhile, leave one entity a name and no dangling relation', async () => {
    const prefix = uniqueName('n');
    const names = Array.from({ length: 100 }, (_, at) => `${prefix}-${at}`);
    const inOrder = (client: number): string[] => (client % 2 === 0 ? names : names.toReversed());
    const create = (client: number) =>
      post(client, ann, 'entities', { entities: inOrder(client).map((name) => ({ type: 'TASK', name })) });
    const made = await clients(12, (client) => create(client >> 1));
    expect(statusesOf(made)).toEqual([201]);
    const ids: string[] = made[0]?.body.entities.map((one: any) => one.entity.id);
    expect(new Set(made.flatMap(({ body }) => body.entities.map((one: any) => one.entity.id))).size).toBe(100);

    const relate = (client: number) => {
      const all = inOrder(client >> 1);
      const relations = all.map((name, at) => ({ from: { name }, to: { name: all[(at + 7) % 100] }, type: 'next' }));
      return post(client, ann, 'relations', { relations });
    };
    const forget = (client: number) => send(client, ann, 'DELETE', `entities/${ids[25 + client]}`);
    const mixed = await clients(36, (client) => {
      if (client % 3 === 0) return relate(client);
      return client % 3 === 1 ? create(client) : forget(client);
    });
    for (const status of statusesOf(mixed)) expect([201, 204, 404]).toContain(status);
    const facts = `select count(*)::int as n, count(distinct n.name)::int as names from memory_names as n
      where n.name like $1`;
    const [counted] = await two.sql(facts, [`${prefix}-%`]);
    expect(counted.n).toBe(counted.names);
    const [{ dangling }] = await two.sql(`select count(*)::int as dangling from memory_relations as r
      where not exists (select 1 from memory_entities as e where e.id = r.from_id)
        or not exists (select 1 from memory_entities as e where e.id = r.to_id)`);
    expect(dangling).toBe(0);
    const last = [await create(0), await create(1)];
    expect(statusesOf(last)).toEqual([201]);
    expect(statusesOf([await relate(0)])).toEqual([201]);
  });

  it('relations between the memories of two users and their session are made in any order', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const shared = await newEntity(ann, uniqueName(), { session });
    const own = [await newEntity(ann), await newEntity(ben)];
    const answers = await clients(40, (client) => {
      const who = client % 4 < 2 ? ann : ben;
      const mine = own[client % 4 < 2 ? 0 : 1];
      const ends = [{ id: shared.id }, { id: mine.id }];
      const [from, to] = client % 3 === 0 ? ends : ends.toReversed();
      const session_id = client % 5 === 0 ? session : null;
      return post(client, who, 'relations', { relations: [{ from, to, type: `t${client}`, session_id }] });
    });
    expect(statusesOf(answers)).toEqual([201]);
    const [{ n }] = await two.sql('select count(*)::int as n from memory_relations where $1 in (from_id, to_id)', [
      shared.id,
    ]);
    expect(n).toBe(40);
  });

  it('merging, renaming and forgetting what others write to loses nothing that was acknowledged', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const names = Array.from({ length: 6 }, (_, at) => `${uniqueName('m')}-${at}`);
    const start = await Promise.all(names.map((name) => newEntity(ann, name, { session })));
    const observed: { text: string; id: string }[] = [];
    const answers = await clients(many, async (client) => {
      const [one, other] = [start[client % 6], start[(client + 1 + (client % 4)) % 6]];
      const who = client % 2 === 0 ? ann : ben;
      if (client % 10 === 3) return await post(client, who, `entities/${one.id}/merge`, { into: other.id });
      if (client % 10 === 7)
        return await send(client, who, 'PATCH', `entities/${one.id}`, { body: { name: `${one.name} ${client}` } });
      const text = `word ${client}`;
      const observations = [{ entity: { id: one.id }, contents: [text] }];
      const answer = await post(client, who, 'observations', { observations }, { session });
      if (answer.status === 201) observed.push({ text, id: one.id });
      return answer;
    });
    for (const status of statusesOf(answers)) expect([200, 201, 409]).toContain(status);
    const survivors = new Map<string, string[]>();
    for (const { id } of start) survivors.set(id, contentsOf((await read(ben, id)).entity));
    expect(observed).toHaveLength((many * 8) / 10);
    for (const { text, id } of observed) expect(survivors.get(id)?.filter((one) => one === text)).toEqual([text]);
    const [{ chained }] = await two.sql(`select count(*)::int as chained from memory_merges as m
      join memory_merges as n on n.merged_id = m.entity_id`);
    expect(chained).toBe(0);
  });

  it('the first facts of new users and of new sessions are written at once', async () => {
    const { id: session } = await startSession(ann, []);
    const cem = await two.newUser('cem');
    expectStatus(await ann.call('POST', `/sessions/${session}/participants`, { body: { user_id: cem.id } }), 201);
    await joinSession(cem, session);
    const answers = await clients(several, (client) => {
      const who = client % 2 === 0 ? ann : cem;
      const entities = [null, session].map((session_id) => ({
        type: 'TASK',
        name: `first ${client >> 1}`,
        session_id,
      }));
      return post(client >> 1, who, 'entities', { entities: client % 3 === 0 ? entities : entities.toReversed() });
    });
    expect(statusesOf(answers)).toEqual([201]);
    const scopes = 'select count(*)::int as n from memory_scopes where user_id = any($1) or session_id = $2';
    const [{ n }] = await two.sql(scopes, [[ann.id, cem.id], session]);
    expect(n).toBe(3);
  });
});

it('one creation sent 20 times with one Idempotency-Key is done once and answered alike', async () => {
  const entities = [{ type: 'TASK', name: uniqueName(), observations: ['a'] }];
  const answers = await clients(20, (client) =>
    post(client, ann, 'entities', { entities }, { headers: { 'idempotency-key': 'once' } }),
  );
  expect(statusesOf(answers)).toEqual([201]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(answers[0]?.body.entities[0].created).toBe(true);
});

it('a use that 20 clients claim at once belongs to one activity', async () => {
  const { id: session } = await startSession(ann);
  const body = { name: uniqueName(), type: 'api_key', value: 'v' };
  const { id } = expectStatus(await ann.call('POST', '/secrets', { body }), 201).body;
  const { use_id } = expectStatus(await ann.call('GET', `/secrets/${id}/value`, { session }), 200).body;
  const activity = { type: 'TASK', content: 'x', secrets_used: [use_id] };
  const answers = await clients(20, (client) => post(client, ann, 'activities', activity, { session }));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
});
