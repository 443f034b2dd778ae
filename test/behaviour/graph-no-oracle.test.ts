import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { link } from '../support/graph-reads.ts';
import { type Answer, withoutRequestId } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { observe, type Remembered, relate, remember } from '../support/remembered.ts';
import { withStatements } from '../support/statements.ts';

/** What a person has that a request can name. */
interface Belongings {
  readonly entity: string;
  readonly merged: string;
  readonly secret: string;
  /** A secret about which something is remembered. */
  readonly anchored: string;
  readonly session: string;
  readonly fact: string;
  readonly use: string;
  readonly user: string;
}

let app: TestApp;
let ann: Person;
let ben: Person;
let session: string;
let own: Belongings;
let hidden: Belongings;
let note: Remembered;

/** A reveal in a session, which no activity contains yet. */
const useOf = async (who: Person, secret: string, where: string): Promise<string> =>
  expectStatus(await who.call('GET', `/secrets/${secret}/value`, { session: where }), 200).body.use_id;

const belongingsOf = async (who: Person): Promise<Belongings> => {
  const { id: of } = await startSession(who);
  const [secret, anchored] = [await keepSecret(who), await keepSecret(who)];
  const [entity, merged] = [await remember(who), await remember(who)];
  await link(who, [entity, 'about', anchored]);
  expectStatus(await who.call('POST', `/graph/entities/${merged.id}/merge`, { body: { into: entity.id } }), 200);
  const fact = await remember(who, {}, { session: of });
  const use = await useOf(who, secret.id, of);
  return {
    ...{ entity: entity.id, merged: merged.id, secret: secret.id, anchored: anchored.id },
    ...{ session: of, fact: fact.id, use, user: who.id },
  };
};

beforeAll(async () => {
  app = await startApp();
  let cid: Person;
  ({ ann, ben, cid } = await people(app, await logInAdmin(app), 'ann', 'ben', 'cid'));
  hidden = await belongingsOf(ben);
  own = await belongingsOf(ann);
  ({ id: session } = await startSession(ann, [cid]));
  note = await remember(ann);
});
afterAll(() => app.close());

/** An answer without what must differ: the request's id, and the id that was asked for. */
const shapeOf = (answer: Answer<any>, asked: string): string => withoutRequestId(answer).replaceAll(asked, '<asked>');

const tables = ['scopes', 'entities', 'names', 'observations', 'relations', 'metadata', 'uses', 'merges'];

/** Every remembered row. */
const rows = async (): Promise<string> => {
  const texts = tables.map(
    (table) =>
      `select '${table}' as of, coalesce(json_agg(t order by t::text)::text, '') as rows from memory_${table} as t`,
  );
  return JSON.stringify((await app.database.client.query(texts.join(' union all '))).rows);
};

const kinds = ['entity', 'merged', 'secret', 'anchored', 'session', 'fact', 'use', 'user'] as const;

const reads: Readonly<Record<string, (id: string) => string>> = {
  entity: (id) => `/graph/entities/${id}`,
  'entity with relations': (id) => `/graph/entities/${id}?relations=true`,
  'entity in the past': (id) => `/graph/entities/${id}?as_of=2026-01-01T00:00:00Z`,
  neighbourhood: (id) => `/graph/entities/${id}/neighbourhood?hops=4`,
  'path to it': (id) => `/graph/path?from=${note.id}&to=${id}`,
  'path from it': (id) => `/graph/path?from=${id}&to=${note.id}`,
};

describe('reads', () => {
  it.each(kinds)('a hidden node and one that never was are read alike, by the same statements (%s)', async (kind) => {
    for (const inside of [{}, { session }])
      for (const [read, pathOf] of Object.entries(reads)) {
        const ask = (id: string) => withStatements(() => ann.call('GET', pathOf(id), inside));
        const absent = randomUUID();
        const [ofHidden, ofAbsent] = [await ask(hidden[kind]), await ask(absent)];
        const label = `${read} ${JSON.stringify(inside)}`;
        expect(ofHidden.answer.status, label).toBe(404);
        expect(shapeOf(ofHidden.answer, hidden[kind]), label).toBe(shapeOf(ofAbsent.answer, absent));
        expect(ofHidden.statements, label).toEqual(ofAbsent.statements);
        expect(ofHidden.statements.length, label).toBeGreaterThan(5);
      }
    for (const pathOf of Object.values(reads)) expectStatus(await ann.call('GET', pathOf(own[kind])), 200);
  });

  const lists: Readonly<Record<string, { pathOf: (id: string) => string; of: keyof Belongings; status?: number }>> = {
    'the activities of a session': { pathOf: (id) => `/graph/activities?session_id=${id}`, of: 'session' },
    'the sessions of a user': { pathOf: (id) => `/graph/users/${id}/sessions`, of: 'user' },
    'the secrets of a user': { pathOf: (id) => `/graph/users/${id}/secrets`, of: 'user' },
    'an export of a session': { pathOf: (id) => `/graph/export?session_id=${id}`, of: 'session' },
    'an entity by the name of somebody else’s': { pathOf: (id) => `/graph/entities?name=name-${id}`, of: 'entity' },
    'an entity of a session by its name': {
      pathOf: (id) => `/graph/entities?name=${encodeURIComponent(note.name)}&session_id=${id}`,
      of: 'session',
    },
  };

  it.each(Object.entries(lists))('%s is answered alike whether it is hidden or never was', async (_, list) => {
    const { pathOf, of } = list;
    const absent = randomUUID();
    for (const [who, ids] of [
      [ben, hidden],
      [ann, own],
    ] as const)
      await remember(who, { name: `name-${ids.entity}` });
    const ask = (id: string) => withStatements(() => ann.call('GET', pathOf(id)));
    const [ofHidden, ofAbsent] = [await ask(hidden[of]), await ask(absent)];
    expect(ofHidden.answer.status).toBeGreaterThanOrEqual(400);
    expect(shapeOf(ofHidden.answer, hidden[of])).toBe(shapeOf(ofAbsent.answer, absent));
    expect(ofHidden.statements).toEqual(ofAbsent.statements);
    await remember(ann, { name: note.name, session_id: own.session });
    expectStatus(await ann.call('GET', pathOf(own[of])), 200);
  });

  it('a search for a word of somebody else’s memory is answered like one for a word that nobody wrote', async () => {
    const words = { hidden: 'xylograph', absent: 'yvonnesque', own: 'zephyrine' };
    const facts = (word: string) => ({
      name: uniqueName(word),
      observations: [word],
      tags: [word],
      attributes: { word },
    });
    await remember(ben, facts(words.hidden));
    await remember(ann, facts(words.own));
    const ask = (q: string) => withStatements(() => ann.call('GET', `/graph/search?q=${q}`));
    const [ofHidden, ofAbsent] = [await ask(words.hidden), await ask(words.absent)];
    expect(ofHidden.answer.body).toEqual({ results: [], truncated: false });
    expect(ofHidden.answer.text).toBe(ofAbsent.answer.text);
    expect(ofHidden.statements).toEqual(ofAbsent.statements);
    expect((await ask(words.own)).answer.body.results).toHaveLength(1);
  });
});

/** A write that names something, with how to get something of the kind that may be named. */
interface Write {
  readonly send: (id: string) => Promise<Answer<any>>;
  readonly allowed: () => Promise<string> | string;
  readonly hidden: () => Promise<string> | string;
  /** Where the problem says that the fault is. */
  readonly field?: string;
  readonly status?: number;
}

const post = (path: string, body: unknown, options = {}) => ann.call('POST', `/graph/${path}`, { ...options, body });
/** An entity that a test may merge away. */
let spare: Remembered;
beforeEach(async () => {
  spare = await remember(ann);
});

const newEntity = async (): Promise<string> => (await remember(ann)).id;
const entityOfBen = async (): Promise<string> => (await remember(ben)).id;
const entities = { allowed: newEntity, hidden: entityOfBen };
const noteEnd = () => ({ id: note.id });

/** Three relations, of which the second names the id. */
const three = (of: (id: string) => object) => (id: string) => {
  const other = (type: string) => ({ from: noteEnd(), to: noteEnd(), type });
  return post('relations', { relations: [other(uniqueName('first')), of(id), other(uniqueName('third'))] });
};

const writes: Readonly<Record<string, Write>> = {
  'changing an entity': {
    ...entities,
    send: (id) => ann.call('PATCH', `/graph/entities/${id}`, { body: { tags: [] } }),
  },
  'changing an entity of some version': {
    ...entities,
    send: (id) => ann.call('PATCH', `/graph/entities/${id}`, { body: { tags: [] }, headers: { 'if-match': '"1"' } }),
  },
  'deleting an entity': { ...entities, send: (id) => ann.call('DELETE', `/graph/entities/${id}`) },
  'merging an entity': {
    ...entities,
    send: (id) => post(`entities/${id}/merge`, { into: spare.id }),
  },
  'merging into an entity': {
    ...entities,
    send: (into) => post(`entities/${spare.id}/merge`, { into }),
  },
  'the end of the second of three relations': {
    ...entities,
    send: three((id) => ({ from: noteEnd(), to: { id }, type: 'knows' })),
    field: 'relations/1/to',
  },
  'the start of the second of three relations': {
    ...entities,
    send: three((id) => ({ from: { id }, to: noteEnd(), type: 'knows' })),
    field: 'relations/1/from',
  },
  'a relation to a secret': {
    allowed: () => own.secret,
    hidden: () => hidden.secret,
    send: three((id) => ({ from: noteEnd(), to: { id }, type: 'is about' })),
    field: 'relations/1/to',
  },
  'a relation to a user': {
    allowed: () => own.user,
    hidden: () => hidden.user,
    send: three((id) => ({ from: noteEnd(), to: { id }, type: 'is about' })),
    field: 'relations/1/to',
  },
  'an observation of an entity': {
    ...entities,
    send: (id) =>
      post('observations', {
        observations: [
          { entity: noteEnd(), contents: [uniqueName('text')] },
          { entity: { id }, contents: ['x'] },
        ],
      }),
    field: 'observations/1/entity',
  },
  'deleting observations': {
    allowed: newEntity,
    hidden: async () => (await observe(ben)).entity.id,
    send: (id) =>
      ann.call('DELETE', '/graph/observations', {
        body: { observations: [{ entity: { id }, contents: ['what is known of it'] }] },
      }),
    field: 'observations/0/entity',
  },
  'deleting a relation': {
    allowed: async () => {
      const id = await newEntity();
      await link(ann, [note, 'depends_on', { id }]);
      return id;
    },
    hidden: async () => (await relate(ben)).to.id,
    send: (id) =>
      ann.call('DELETE', '/graph/relations', {
        body: { relations: [{ from: noteEnd(), to: { id }, type: 'depends_on' }] },
      }),
    field: 'relations/0/to',
  },
  'ending an observation': {
    allowed: async () => (await observe(ann)).id,
    hidden: async () => (await observe(ben)).id,
    send: (id) => ann.call('PATCH', `/graph/observations/${id}`, { body: { invalid_at: '2126-01-01T00:00:00Z' } }),
  },
  'ending a relation': {
    allowed: async () => (await relate(ann)).id,
    hidden: async () => (await relate(ben)).id,
    send: (id) => ann.call('PATCH', `/graph/relations/${id}`, { body: { invalid_at: '2126-01-01T00:00:00Z' } }),
  },
  'the node of a session': {
    allowed: () => own.session,
    hidden: () => hidden.session,
    send: (session_id) => post('sessions', { session_id, metadata: { a: 1 } }),
  },
  'the node of a secret': {
    allowed: () => own.secret,
    hidden: () => hidden.secret,
    send: (secret_id) => post('secrets', { secret_id, metadata: { a: 1 } }),
  },
  'an entity in a session': {
    allowed: () => own.session,
    hidden: () => hidden.session,
    send: (session_id) => post('entities', { entities: [{ type: 'TASK', name: uniqueName('task'), session_id }] }),
    status: 403,
  },
  'an activity in a session': {
    allowed: () => own.session,
    hidden: () => hidden.session,
    send: (session_id) => post('activities', { type: 'FILE_ACTIVITY', content: 'x', session_id }),
    status: 403,
  },
  'an activity that names a use': {
    allowed: () => useOf(ann, own.secret, own.session),
    hidden: () => useOf(ben, hidden.secret, hidden.session),
    send: (use) =>
      post('activities', { type: 'FILE_ACTIVITY', content: 'x', secrets_used: [use] }, { session: own.session }),
    field: 'secrets_used/0',
  },
  'an activity that names a use of another session of the caller’s': {
    allowed: () => useOf(ann, own.secret, own.session),
    hidden: () => useOf(ann, own.secret, session),
    send: (use) =>
      post('activities', { type: 'FILE_ACTIVITY', content: 'x', secrets_used: [use] }, { session: own.session }),
    field: 'secrets_used/0',
  },
  'an activity that names a use which another one contains': {
    allowed: () => useOf(ann, own.secret, own.session),
    hidden: async () => {
      const use = await useOf(ben, hidden.secret, hidden.session);
      const body = { type: 'FILE_ACTIVITY', content: 'of Ben', secrets_used: [use] };
      expectStatus(await ben.call('POST', '/graph/activities', { session: hidden.session, body }), 201);
      return use;
    },
    send: (use) =>
      post('activities', { type: 'FILE_ACTIVITY', content: 'x', secrets_used: [use] }, { session: own.session }),
    field: 'secrets_used/0',
  },
};

describe('writes', () => {
  it.each(Object.entries(writes))(
    '%s is refused alike for what is hidden and for what never was, and nothing is written',
    async (_, write) => {
      const { send, field, status = 404 } = write;
      const [id, absent] = [await write.hidden(), randomUUID()];
      const before = await rows();
      const [ofHidden, ofAbsent] = [await send(id), await send(absent)];
      expect(ofHidden.status, ofHidden.text).toBe(status);
      expect(shapeOf(ofHidden, id)).toBe(shapeOf(ofAbsent, absent));
      expect(ofHidden.text).not.toContain(id);
      expect(ofHidden.body.errors?.[0]?.field).toBe(field);
      expect(await rows()).toBe(before);
      expect((await send(await write.allowed())).status).toBeLessThan(300);
    },
  );
});
