import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { remember } from '../support/remembered.ts';

/* What is refused of requests about the memory graph, and beside each of it what is not. */

let app: TestApp;
let ann: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ann, ben } = await people(app, await logInAdmin(app), 'ann', 'ben'));
});
afterAll(() => app.close());

const entity = (more: object = {}) => ({ type: 'TASK', name: `task ${randomUUID()}`, ...more });
const postEntities = (...entities: object[]) => ann.call('POST', '/graph/entities', { body: { entities } });
const search = (q: string, more = '') => ann.call('GET', `/graph/search?q=${encodeURIComponent(q)}${more}`);
const found = async (q: string): Promise<string[]> =>
  expectStatus(await search(q), 200).body.results.map((one: any) => one.entity.name);

/** A body that no JSON.stringify makes. */
const postText = async (path: string, body: string, type = 'application/json'): Promise<Answer<any>> => {
  const headers = { authorization: `Bearer ${ann.token}`, 'content-type': type };
  const response = await fetch(`${app.url}/api/v1${path}`, { method: 'POST', headers, body });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
};

const counted = async (): Promise<string> => {
  const tables = ['entities', 'names', 'observations', 'relations', 'metadata', 'uses'];
  const counts = tables.map((table) => `(select count(*) from memory_${table}) as ${table}`);
  return JSON.stringify((await app.database.client.query(`select ${counts}`)).rows[0]);
};

/** Expects a refusal that names the field, and nothing written. */
const expectRefused = async (send: () => Promise<Answer<any>>, field: string, detail?: RegExp): Promise<void> => {
  const before = await counted();
  const { body } = expectStatus(await send(), 400);
  expect(body.code).toBe('invalid_request');
  expect(body.errors.map((one: { field: string }) => one.field)).toContain(field);
  if (detail) expect(body.detail).toMatch(detail);
  expect(await counted()).toBe(before);
};

describe('a field that a request about the graph does not have', () => {
  it.each(['owner_id', 'author', 'id', 'derived', 'entityName', 'user_id'])(
    'a new entity with the field %s is refused by name, and without it is the caller’s own (G6)',
    async (field) => {
      const one = entity();
      await expectRefused(() => postEntities(entity(), { ...one, [field]: ben.id }), `entities/1/${field}`);
      const made = expectStatus(await postEntities(one), 201).body.entities[0].entity;
      expect(made).toMatchObject({ author_id: ann.id, session_id: null, derived: false });
    },
  );

  it('a search that says whose memory is meant is refused by name, and without it is the caller’s own (G6)', async () => {
    await remember(ann, { name: 'a heron of ann' });
    await remember(ben, { name: 'a heron of ben' });
    await expectRefused(() => search('heron', `&user_id=${ben.id}`), 'user_id');
    expect(await found('heron')).toEqual(['a heron of ann']);
  });
});

describe('a text that is too long', () => {
  const wide = (length: number): string => '𠀀'.repeat(length - 8) + randomUUID().slice(0, 8);

  it('a name of 400 characters of four bytes is kept, and one more is refused with the limit (G16)', async () => {
    const name = wide(400);
    expect((await remember(ann, { name })).name).toBe(name);
    expect(await found(name)).toContain(name);
    await expectRefused(() => postEntities(entity({ name: wide(401) })), 'entities/0/name', /400/);
    await expectRefused(() => postEntities(entity({ name: wide(700) })), 'entities/0/name', /400/);
  });

  it('an alias of 400 characters of four bytes is kept (G16)', async () => {
    const name = wide(400);
    const { id } = await remember(ann, { name });
    const into = await remember(ann);
    expectStatus(await ann.call('POST', `/graph/entities/${id}/merge`, { body: { into: into.id } }), 200);
    const answer = await ann.call('GET', `/graph/entities?name=${encodeURIComponent(name)}`);
    expect(expectStatus(answer, 200).body).toMatchObject({ id: into.id, aliases: [name] });
  });

  it('types of 128 characters are kept, and those of 129 refused with the limit (G16)', async () => {
    const [from, to] = [await remember(ann), await remember(ann)];
    const post = (type: string) =>
      ann.call('POST', '/graph/relations', {
        body: { relations: [{ from: { id: from.id }, to: { id: to.id }, type }] },
      });
    expect(expectStatus(await post('t'.repeat(128)), 201).body.relations[0].relation.type).toBe('t'.repeat(128));
    await expectRefused(() => post('t'.repeat(129)), 'relations/0/type', /128/);
    expectStatus(await postEntities(entity({ type: 't'.repeat(128), tags: ['t'.repeat(128)] })), 201);
    await expectRefused(() => postEntities(entity({ type: 't'.repeat(129) })), 'entities/0/type', /128/);
    await expectRefused(() => postEntities(entity({ tags: ['t'.repeat(129)] })), 'entities/0/tags/0', /128/);
  });

  it('an observation of 64 KiB is kept, and one more byte is refused with the limit', async () => {
    const half = 'ü'.repeat(32 * 1024);
    expectStatus(await postEntities(entity({ observations: [half] })), 201);
    await expectRefused(
      () => postEntities(entity({ observations: ['short', `${half}x`] })),
      'entities/0/observations/1',
      /65536 bytes/,
    );
  });

  it('a search of 2,048 characters of four bytes is answered, and longer ones are refused with the limit (G11)', async () => {
    expectStatus(await search('😀'.repeat(2048)), 200);
    await expectRefused(() => search('x'.repeat(2049)), 'q', /2048/);
    await expectRefused(() => search('x'.repeat(8000)), 'q', /2048/);
    await expectRefused(() => search('word '.repeat(5000)), 'q', /2048/);
  });

  it('an address that is too long for any search is refused as a problem', async () => {
    const answer = await search('x'.repeat(70_000));
    expect(answer).toMatchObject({ status: 431, body: { code: 'payload_too_large' } });
  });
});

describe('text that no database can hold', () => {
  it.each([
    ['a key of an attribute', '{"attributes":{"k\\u0000":"v"}}', 'entities/1/attributes'],
    ['an attribute', '{"attributes":{"out":"W\\u0000s"}}', 'entities/1/attributes/out'],
    ['a tag', '{"tags":["a\\u0000"]}', 'entities/1/tags/0'],
    ['an observation', '{"observations":["\\ud83d"]}', 'entities/1/observations/0'],
    ['a key of an attribute within another', '{"attributes":{"a":{"\\ud83d":1}}}', 'entities/1/attributes/a'],
  ])(
    'of three entities the second is named where %s holds half a character or NUL (G17)',
    async (_what, part, field) => {
      const second = JSON.stringify(entity()).replace(/}$/, `,${part.slice(1)}`);
      const body = `{"entities":[${JSON.stringify(entity())},${second},${JSON.stringify(entity())}]}`;
      await expectRefused(() => postText('/graph/entities', body), field);
    },
  );

  it('a character of two halves is kept in every place (G17)', async () => {
    const attributes = { '😀': ['😀'] };
    const made = await remember(ann, { name: `😀 ${randomUUID()}`, attributes, tags: ['😀'], observations: ['😀'] });
    expect(made).toMatchObject({ attributes, tags: ['😀'], observations: [{ content: '😀' }] });
  });

  it('attributes keep keys with line ends, and are refused beyond 16 KiB and 8 levels', async () => {
    const attributes = { 'a\nb': 1, constructor: 'x' };
    expect(await remember(ann, { attributes })).toMatchObject({ attributes });
    const large = { a: 'x'.repeat(16 * 1024) };
    await expectRefused(() => postEntities(entity({ attributes: large })), 'entities/0/attributes', /16 KiB/);
    const deep = { a: { a: { a: { a: { a: { a: { a: { a: {} } } } } } } } };
    await expectRefused(() => postEntities(entity({ attributes: deep })), 'entities/0/attributes', /8 levels/);
  });

  it.each([' ', '\t', 'a\nb', '\u0085'])(
    'the type %j is refused, and words with spaces are kept (G19)',
    async (type) => {
      await expectRefused(() => postEntities(entity({ type })), 'entities/0/type');
      await expectRefused(() => postEntities(entity({ tags: [type] })), 'entities/0/tags/0');
      expect(await remember(ann, { type: 'works at 由...组成', tags: ['low-cost'] })).toMatchObject({
        type: 'works at 由...组成',
        tags: ['low-cost'],
      });
    },
  );
});

describe('more than one request can have', () => {
  const many = (count: number) => Array.from({ length: count }, (_, at) => `${at} of ${count}`);
  const deleteObservations = (name: string, contents: string[]) =>
    ann.call('DELETE', '/graph/observations', { body: { observations: [{ entity: { name }, contents }] } });
  const addObservations = (name: string, contents: string[]) =>
    ann.call('POST', '/graph/observations', { body: { observations: [{ entity: { name }, contents }] } });

  it('a thousand entities and observations are kept, and one more is refused with advice (G18)', async () => {
    const one = entity({ observations: many(999) });
    expect(expectStatus(await postEntities(one), 201).body.entities[0].entity.observations).toHaveLength(999);
    const advice = /1,000 items.*\/graph\/import/;
    await expectRefused(() => postEntities(entity({ observations: many(1000) })), 'entities', advice);
    await expectRefused(() => postEntities(...many(1001).map((name) => entity({ name }))), 'entities', advice);
  });

  it('a thousand observations are added and deleted at once, and 5,000 refused with advice (G18)', async () => {
    const { name } = await remember(ann);
    expect(expectStatus(await addObservations(name, many(1000)), 201).body.observations).toHaveLength(1000);
    await expectRefused(() => addObservations(name, many(5000)), 'observations', /1,000 items/);
    await expectRefused(() => deleteObservations(name, many(5000)), 'observations', /1,000 items/);
    expect(expectStatus(await deleteObservations(name, many(1000)), 200).body).toEqual({ deleted: 1000 });
  });

  it('a body of more than 16 MiB is refused with the limit and advice', async () => {
    const answer = await postText('/graph/entities', `{"entities":[${' '.repeat(17 * 1024 * 1024)}]}`);
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    expect(answer.body.detail).toMatch(/16 MiB.*\/graph\/import/);
  });

  it.each([
    ['hops', ['0', '5', '-1', '1.5'], '4'],
    ['limit', ['0', '1001'], '1000'],
  ])('a neighbourhood is refused for %s out of bounds, and not within them (G26)', async (field, wrong, right) => {
    const { id } = await remember(ann);
    const ask = (value: string) => ann.call('GET', `/graph/entities/${id}/neighbourhood?${field}=${value}`);
    for (const value of wrong) await expectRefused(() => ask(value), field);
    expectStatus(await ask(right), 200);
  });

  it('a page of the graph is refused for a size out of bounds and for a cursor that no page gave', async () => {
    const ask = (query: string) => ann.call('GET', `/graph?${query}`);
    for (const query of ['max_tokens=99', 'max_tokens=100001', 'max_tokens=x'])
      await expectRefused(() => ask(query), 'max_tokens');
    for (const cursor of ['x', '%20', 'x'.repeat(401), Buffer.from(randomUUID()).toString('base64url')])
      await expectRefused(() => ask(`cursor=${cursor}`), 'cursor');
    const { next_cursor } = expectStatus(await ask('max_tokens=100'), 200).body;
    expectStatus(await ask(`max_tokens=100&cursor=${next_cursor}`), 200);
  });
});

describe('signs in what is searched for', () => {
  it.each([
    "What's your policy?",
    'team:foo',
    'a & | b',
    '(',
    ':*',
    '"open',
    'Ada <ada@x.org>',
    "'",
    '!',
    'a:* & !b',
    '\\',
  ])('the search %j is answered, and finds the text that holds it (G11)', async (q) => {
    const { name } = await remember(ann, { observations: [`before ${q} after`] });
    const results = expectStatus(await search(q, '&limit=100'), 200).body.results;
    if (/\w{3}/.test(q)) expect(results.map((one: any) => one.entity.name)).toContain(name);
  });

  it('signs of patterns stand for themselves in filters and in searches (G10)', async () => {
    const names = { exact: `gqa_attention ${randomUUID()}`, other: `gqaattention ${randomUUID()}` };
    await remember(ann, { name: names.exact, tags: ['a_b'], observations: ['100% sure'] });
    await remember(ann, { name: names.other, tags: ['axb'], observations: ['100 of them'] });
    const tagged = expectStatus(await search('gqa', '&tag=a_b'), 200).body.results;
    expect(tagged.map((one: any) => one.entity.name)).not.toContain(names.other);
    expect((await found('gqa_attention'))[0]).toBe(names.exact);
    for (const q of ['%', '_', '\\']) expect(await found(q)).not.toContain(names.other);
  });

  it('the id of a session is compared whole, and not by its beginning (G10)', async () => {
    const sessions = [];
    for (const external_id of ['chat-1', 'chat-10']) sessions.push(await startSession(ann, [], { external_id }));
    await remember(ann, { name: 'in chat-1' }, { session: 'chat-1' });
    await remember(ann, { name: 'in chat-10' }, { session: 'chat-10' });
    const exported = await ann.call('GET', '/graph/export?session_id=chat-1');
    expect(exported.text).toContain('"in chat-1"');
    expect(exported.text).not.toContain('chat-10');
  });
});

describe('names that mean something in addresses', () => {
  it.each(['incident/a?b=1#c', '..', '.', '%2e', '-v', 'a b+c', 'https://x.org/?q=ü'])(
    'the entity %j is found, changed and forgotten by its name (G20)',
    async (name) => {
      const { id } = await remember(ann, { name });
      const resolve = () => ann.call('GET', `/graph/entities?name=${encodeURIComponent(name)}`);
      expect(expectStatus(await resolve(), 200).body).toMatchObject({ id, name });
      const observations = [{ entity: { name }, contents: ['known'] }];
      expectStatus(await ann.call('POST', '/graph/observations', { body: { observations } }), 201);
      expect(expectStatus(await resolve(), 200).body.observations).toHaveLength(1);
      expectStatus(await ann.call('DELETE', `/graph/entities/${id}`), 204);
      expectStatus(await resolve(), 404);
    },
  );
});

describe('times of facts', () => {
  const bad = ['2026-02-30T00:00:00Z', '2026-02-30', '2026-02-03T10:00', 'yesterday', '', '2026-02-03 10:00:00Z'];

  it.each(bad)('a fact since %j is refused, and never repaired (G25)', async (valid_at) => {
    const { id } = await remember(ann);
    const observations = [{ entity: { id }, contents: ['known'], valid_at }];
    await expectRefused(
      () => ann.call('POST', '/graph/observations', { body: { observations } }),
      'observations/0/valid_at',
    );
    const relations = [{ from: { id }, to: { id }, type: 'blocks', invalid_at: valid_at }];
    await expectRefused(() => ann.call('POST', '/graph/relations', { body: { relations } }), 'relations/0/invalid_at');
    await expectRefused(() => search('x', `&as_of=${encodeURIComponent(valid_at)}`), 'as_of');
  });

  it('a fact may be recorded with its end, which comes after its beginning (G25)', async () => {
    const { id } = await remember(ann);
    const add = (times: object) => {
      const observations = [{ entity: { id }, contents: [`known ${randomUUID()}`], ...times }];
      return ann.call('POST', '/graph/observations', { body: { observations } });
    };
    const times = { valid_at: '2025-01-01T01:00:00+01:00', invalid_at: '2026-01-01T00:00:00Z' };
    const made = expectStatus(await add(times), 201).body.observations[0].observation;
    expect(made).toMatchObject({ valid_at: '2025-01-01T00:00:00.000Z', invalid_at: '2026-01-01T00:00:00.000Z' });
    const before = await counted();
    for (const invalid_at of [times.valid_at, '2024-01-01T00:00:00Z'])
      expect(expectStatus(await add({ ...times, invalid_at }), 400).body.code).toBe('invalid_request');
    expect(await counted()).toBe(before);
  });

  it('a new fact ends no other one (G25)', async () => {
    const [person, employer, branch] = [await remember(ann), await remember(ann), await remember(ann)];
    const relate = (to: string, type: string) =>
      ann.call('POST', '/graph/relations', {
        body: { relations: [{ from: { id: person.id }, to: { id: to }, type }] },
      });
    expectStatus(await relate(employer.id, 'works_at'), 201);
    expectStatus(await relate(branch.id, 'manages'), 201);
    const { relations } = expectStatus(await ann.call('GET', `/graph/entities/${person.id}?relations=true`), 200).body;
    expect(relations.map(({ type, invalid_at }: any) => [type, invalid_at]).sort()).toEqual([
      ['manages', null],
      ['works_at', null],
    ]);
  });
});

describe('an import that is no text of facts', () => {
  const line = JSON.stringify({ type: 'entity', name: `n ${randomUUID()}`, entityType: 'person', observations: [] });

  it.each(['application/jsonl', 'application/x-ndjson', 'text/plain', 'application/jsonl; charset=utf-8'])(
    'lines are imported as %s',
    async (type) => {
      expect((await postText('/graph/import', line, type)).status).toBe(200);
    },
  );

  it('lines that are called a JSON document are refused, with the format to use (G30)', async () => {
    const before = await counted();
    const two = `${line}\n${line.replace('"n ', '"m ')}\n`;
    const answer = await postText('/graph/import', two, 'application/json');
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toContain('format=jsonl');
    expect(await counted()).toBe(before);
    expect((await postText('/graph/import?format=jsonl', two, 'application/json')).status).toBe(200);
  });

  it.each([
    ['application/xml', 415],
    ['application/jsonl; charset=utf-16', 415],
  ])('a body of the type %s is refused', async (type, status) => {
    expect((await postText('/graph/import', line, type)).status).toBe(status);
  });

  it.each(['format=csv', 'dangling=maybe', 'session_id=..', 'user_id=x'])(
    'an import with %s is refused',
    async (query) => {
      await expectRefused(() => postText(`/graph/import?${query}`, line, 'text/plain'), query.replace(/=.*/, ''));
    },
  );

  it('an import of more than 64 MiB is refused with the limit', async () => {
    const answer = await postText('/graph/import', ' '.repeat(64 * 1024 * 1024 + 1), 'text/plain');
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    expect(answer.body.detail).toContain('64 MiB');
  });
});
