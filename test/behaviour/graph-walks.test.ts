import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, logInAdmin, type Person, people } from '../support/people.ts';
import { type Remembered, remember } from '../support/remembered.ts';

let app: TestApp;
let admin: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
});
afterAll(() => app.close());

const somebody = async (name: string): Promise<Person> => (await people(app, admin, name))[name] as Person;

const relate = async (who: Person, ...all: (readonly [Remembered, string, Remembered])[]) => {
  const relations = all.map(([from, type, to]) => ({ from: { id: from.id }, to: { id: to.id }, type }));
  return expectStatus(await who.call('POST', '/graph/relations', { body: { relations } }), 201).body.relations;
};

/** All pages of GET /graph, each of about so many tokens. */
const pagesOf = async (who: Person, maxTokens: number) => {
  const pages: { entities: any[]; relations: any[] }[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const next: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { body } = expectStatus(await who.call('GET', `/graph?max_tokens=${maxTokens}${next}`), 200);
    pages.push(body);
    cursor = body.next_cursor;
  }
  return pages;
};

const namesOf = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name).sort();

const shown = (edges: readonly any[]): string[] =>
  edges.map((one) => `${one.from.name} ${one.type} ${one.to.name}`).sort();

describe('walking over a cycle', () => {
  let ann: Person;
  const nodes: Record<string, Remembered> = {};
  beforeAll(async () => {
    ann = await somebody('ann');
    for (const name of ['A', 'B', 'C', 'D']) nodes[name] = await remember(ann, { name });
    const { A, B, C, D } = nodes as Record<'A' | 'B' | 'C' | 'D', Remembered>;
    await relate(
      ann,
      [A, 'knows', B],
      [A, 'likes', B],
      [B, 'knows', C],
      [C, 'knows', A],
      [D, 'knows', A],
      [A, 'is', A],
    );
  });

  const walk = (query: string) => ann.call('GET', `/graph/entities/${nodes['A']?.id}/neighbourhood?${query}`);
  const path = (from: string, to: string, more = '') =>
    ann.call('GET', `/graph/path?from=${nodes[from]?.id}&to=${nodes[to]?.id}${more}`);

  it('each entity is shown once, with every relation between those that were reached', async () => {
    const { entities, relations, truncated } = expectStatus(await walk('hops=4'), 200).body;
    expect(namesOf(entities)).toEqual(['A', 'B', 'C', 'D']);
    expect(shown(relations)).toEqual(['A is A', 'A knows B', 'A likes B', 'B knows C', 'C knows A', 'D knows A']);
    expect(truncated).toBe(false);
    expect(Object.fromEntries(entities.map((one: any) => [one.name, one.hops]))).toEqual({ A: 0, B: 1, C: 1, D: 1 });
  });

  it('a direction, types and a limit narrow the walk, and the answer says what it left out', async () => {
    const out = expectStatus(await walk('hops=1&direction=out'), 200).body;
    expect(namesOf(out.entities)).toEqual(['A', 'B']);
    const likes = expectStatus(await walk('hops=2&type=likes'), 200).body;
    expect(shown(likes.relations)).toEqual(['A likes B']);
    const cut = expectStatus(await walk('hops=4&limit=2'), 200).body;
    expect(cut.entities).toHaveLength(2);
    expect(cut.truncated).toBe(true);
  });

  it('no hops, and more than four, are refused', async () => {
    for (const hops of [0, 5]) expectStatus(await walk(`hops=${hops}`), 400);
    for (const hops of [1, 4]) expectStatus(await walk(`hops=${hops}`), 200);
  });

  it('a path is a shortest one, may go against a relation, and says so at each step', async () => {
    const steps = (answer: any): string[] =>
      answer.path.map((one: any) => `${one.from.name} ${one.relation.type} ${one.direction} ${one.to.name}`);
    const { body } = expectStatus(await path('D', 'C'), 200);
    expect(steps(body)).toEqual(['D knows out A', 'A knows in C']);
    expect(expectStatus(await path('A', 'A'), 200).body.path).toEqual([]);
    expect(expectStatus(await path('D', 'C', '&max_hops=1'), 200).body.path).toBe(null);
    const alone = await remember(ann, { name: 'E' });
    nodes['E'] = alone;
    expect(expectStatus(await path('A', 'E'), 200).body).toEqual({ path: null, truncated: false });
  });

  it('an entity is answered with the relations in both directions, with names of the ends', async () => {
    const { relations } = expectStatus(
      await ann.call('GET', `/graph/entities/${nodes['B']?.id}?relations=true`),
      200,
    ).body;
    expect(shown(relations)).toEqual(['A knows B', 'A likes B', 'B knows C']);
  });
});

describe('the whole graph in pages', () => {
  it('every entity, observation and relation is on the pages once, however small they are', async () => {
    const bob = await somebody('bob');
    const hub = await remember(bob, {
      name: 'hub',
      observations: Array.from({ length: 120 }, (_, at) => `fact ${at}`),
    });
    const others = await Promise.all(Array.from({ length: 30 }, (_, at) => remember(bob, { name: `n${at}` })));
    const edges = others.flatMap((one) => Array.from({ length: 5 }, (_, at) => [hub, `type ${at}`, one] as const));
    await relate(bob, ...edges, ...others.map((one) => [one, 'knows', hub] as const));
    for (const maxTokens of [100, 2000, 100_000]) {
      const pages = await pagesOf(bob, maxTokens);
      const entities = pages.flatMap((page) => page.entities);
      const parts = entities.filter((one) => one.id === hub.id);
      expect(
        parts
          .flatMap((one) => one.observations)
          .map((one) => one.content)
          .sort(),
      ).toHaveLength(120);
      expect(new Set(parts.flatMap((one) => one.observations).map((one) => one.id)).size).toBe(120);
      if (parts.length > 1) expect([parts[0].part, parts.at(-1).part]).toEqual(['first', 'last']);
      else expect(parts[0].part).toBe(undefined);
      const remembered = entities.filter((one) => !one.derived && one.part !== 'middle' && one.part !== 'last');
      expect(namesOf(remembered)).toEqual(['hub', ...others.map((one) => one.name)].sort());
      const relations = pages.flatMap((page) => page.relations);
      expect(new Set(relations.map((one) => one.id)).size).toBe(180);
      expect(relations).toHaveLength(180);
      expect(namesOf(entities.filter((one) => one.derived))).toEqual(['bob']);
    }
  });

  it('a cursor that was altered, or that another user or another read got, is refused', async () => {
    const [eve, fay] = [await somebody('eve'), await somebody('fay')];
    for (const who of [eve, fay])
      for (let at = 0; at < 5; at += 1) await remember(who, { observations: ['x'.repeat(300)] });
    const page = (who: Person, query: string) => who.call('GET', `/graph?max_tokens=100${query}`);
    const cursor: string = expectStatus(await page(eve, ''), 200).body.next_cursor;
    expectStatus(await page(eve, `&cursor=${cursor}`), 200);
    expectStatus(await page(fay, `&cursor=${cursor}`), 400);
    const altered = `${cursor.startsWith('A') ? 'B' : 'A'}${cursor.slice(1)}`;
    expectStatus(await page(eve, `&cursor=${altered}`), 400);
    expectStatus(await eve.call('GET', `/graph/users/${eve.id}/secrets?cursor=${cursor}`), 400);
  });
});
