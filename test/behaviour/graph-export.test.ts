import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { badPlaces, entity, exportText, importText, relation } from '../support/graph-transfer.ts';
import { expectStatus, keepSecret, lasting, logInAdmin, type Person, people, startSession } from '../support/people.ts';

let app: TestApp;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ada, ben } = await people(app, await logInAdmin(app), 'ada', 'ben'));
  ada = await lasting(ada);
  ben = await lasting(ben);
});
afterAll(() => app.close());
beforeEach(async () => {
  for (const one of [ada, ben]) expectStatus(await one.call('DELETE', '/graph/me'), 200);
});

const importDocument = (person: Person, parts: object, query: Record<string, string> = {}) =>
  importText(app, person, JSON.stringify({ entities: [], relations: [], ...parts }), { format: 'json', ...query });

describe('an export', () => {
  const remembered = async (person: Person) => JSON.parse((await exportText(app, person, 'json')).text);

  it('as JSON comes back equal after everything was forgotten and imported again', async () => {
    const secret = await keepSecret(ada);
    expectStatus(
      await ada.call('POST', '/graph/entities', {
        body: {
          entities: [
            {
              type: 'PERSON',
              name: 'Ada',
              attributes: { a: { b: [1, 'x'] } },
              tags: ['t1', 't2'],
              observations: ['now'],
            },
            { type: 'PERSON', name: 'Countess', observations: ['merged'] },
            { type: 'CONCEPT', name: 'Engine' },
          ],
        },
      }),
      201,
    );
    const idOf = async (name: string): Promise<string> =>
      expectStatus(await ada.call('GET', `/graph/entities?name=${name}`), 200).body.id;
    const merged = await ada.call('POST', `/graph/entities/${await idOf('Countess')}/merge`, {
      body: { into: await idOf('Ada') },
    });
    expectStatus(merged, 200);
    const times = { valid_at: '2020-01-01T00:00:00Z', invalid_at: '2021-01-01T00:00:00Z' };
    expectStatus(
      await ada.call('POST', '/graph/observations', {
        body: {
          observations: [
            { entity: { name: 'Ada' }, contents: ['ended'], ...times, source: 'a letter', confidence: 0.5 },
            { entity: { id: secret.id }, contents: ['is rotated monthly'] },
          ],
        },
      }),
      201,
    );
    expectStatus(
      await ada.call('POST', '/graph/relations', {
        body: {
          relations: [
            { from: { name: 'Ada' }, to: { name: 'Engine' }, type: 'works on', attributes: { since: 1843 }, ...times },
            { from: { name: 'Engine' }, to: { id: secret.id }, type: 'depends_on', source: 'plans' },
            { from: { name: 'Ada' }, to: { name: 'Ada' }, type: 'knows' },
          ],
        },
      }),
      201,
    );
    const before = await remembered(ada);
    expect(before.entities).toHaveLength(3);
    expect(before.relations).toHaveLength(3);
    const lines = await exportText(app, ada, 'jsonl');
    expect(lines.headers.get('keyhold-omitted-ended')).toBe('2');
    expect(lines.headers.get('keyhold-omitted-derived')).toBe('1');
    expect(lines.headers.get('keyhold-omitted-derived-relations')).toBe('1');
    expect(lines.text).not.toContain('ended');
    expectStatus(await ada.call('DELETE', '/graph/me'), 200);
    expect((await exportText(app, ada, 'jsonl')).text).toBe('');
    app.clock.advance(3_600_000);
    const document = JSON.stringify(before);
    const { body } = expectStatus(await importText(app, ada, document, { format: 'json' }), 200);
    expect(body.entities).toEqual({ created: 2, existing: 0 });
    expect(await remembered(ada)).toEqual(before);
    expect(expectStatus(await importText(app, ada, document, { format: 'json' }), 200).body.observations.created).toBe(
      0,
    );
    expectStatus(await importText(app, ada, lines.text), 200);
    expect(await remembered(ada)).toEqual(before);
  });

  it('of another person is not trusted with what only the service knows', async () => {
    const secret = await keepSecret(ben);
    const send = (parts: object) => importDocument(ada, parts);
    const author_id = ben.id;
    expectStatus(await send({ entities: [{ name: 'a', type: 'P', author_id, agent: 'bot', observations: [] }] }), 200);
    const { body } = expectStatus(await ada.call('GET', '/graph/search?q=a'), 200);
    expect(body.results[0].entity).toMatchObject({ author_id: ada.id, agent: null });
    const derived = { derived: true, id: secret.id, observations: [{ content: 'x' }] };
    expect(badPlaces(await send({ entities: [derived] }))).toEqual(['entities[0]']);
    const use = { name: 'b', type: 'TASK', activity: true, uses: [secret.id] };
    const session = await startSession(ada);
    const inSession = await importDocument(ada, { entities: [use] }, { session_id: session.id });
    expect(badPlaces(inSession)).toEqual(['entities[0]']);
    const mine = await keepSecret(ada);
    const owns = { from: { name: 'a' }, to: { derived: true, id: mine.id }, type: 'owns' };
    expect(badPlaces(await send({ relations: [owns] }))).toEqual(['relations[0]']);
    expectStatus(await send({ relations: [{ ...owns, type: 'depends_on' }] }), 200);
    const bad = [
      { content: 'x', valid_at: '2026-02-30T00:00:00Z' },
      { content: 'y', created_at: '2999-01-01T00:00:00Z' },
    ];
    expect(badPlaces(await send({ entities: [{ name: 'c', type: 'P', observations: bad.slice(0, 1) }] }))).toHaveLength(
      1,
    );
    expect(badPlaces(await send({ entities: [{ name: 'c', type: 'P', observations: bad.slice(1) }] }))).toHaveLength(1);
  });

  it('shows what held at a moment, in both formats', async () => {
    const observations = [
      { content: 'then', valid_at: '2020-01-01T00:00:00Z', invalid_at: '2021-01-01T00:00:00Z' },
      { content: 'always' },
      { content: 'now', valid_at: '2021-01-01T00:00:00Z' },
    ];
    const knows = { from: { name: 'a' }, to: { name: 'a' }, type: 'knew', invalid_at: '2021-01-01T00:00:00Z' };
    expectStatus(
      await importDocument(ada, { entities: [{ name: 'a', type: 'T', observations }], relations: [knows] }),
      200,
    );
    const said = async (query: Record<string, string>) => {
      const lines = (await exportText(app, ada, 'jsonl', query)).text;
      const document = JSON.parse((await exportText(app, ada, 'json', query)).text);
      const contents = document.entities[0].observations.map((one: any) => one.content);
      return { lines, json: [...contents.sort(), ...document.relations.map((one: any) => one.type)] };
    };
    const before = await said({ as_of: '2020-06-01T00:00:00Z' });
    expect(before.json).toEqual(['always', 'then', 'knew']);
    expect(before.lines).toBe(`${entity('a', ['then', 'always'], 'T')}\n${relation('a', 'a', 'knew')}\n`);
    const atEnd = await said({ as_of: '2021-01-01T00:00:00Z' });
    expect(atEnd.json).toEqual(['always', 'now']);
    const today = await said({});
    expect(today.json).toEqual(['always', 'now', 'then', 'knew']);
    expect(today.lines).toBe(`${entity('a', ['always', 'now'], 'T')}\n`);
  });

  it('in a session of several has only what everybody present may see, unless a mode is chosen', async () => {
    const { id: session } = await startSession(ada, [ben]);
    const { id: other } = await startSession(ada);
    expectStatus(await importText(app, ada, entity('own', ['looks for another job'])), 200);
    expectStatus(await importText(app, ada, entity('ours', []), { session_id: session }), 200);
    expectStatus(await importText(app, ada, entity('elsewhere', []), { session_id: other }), 200);
    const names = async (format: 'jsonl' | 'json', mode?: string): Promise<string[]> => {
      const query = new URLSearchParams({ format, ...(mode === undefined ? {} : { mode }) });
      const { text } = expectStatus(await ada.call('GET', `/graph/export?${query}`, { session }), 200);
      return [...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name ?? '').sort();
    };
    for (const format of ['jsonl', 'json'] as const) {
      expect(await names(format)).toEqual(['ours']);
      expect(await names(format, 'audience')).toEqual(['ours']);
      expect(await names(format, 'session')).toEqual(['ours', 'own']);
      expect(await names(format, 'all')).toEqual(['elsewhere', 'ours', 'own']);
    }
  });

  it('of somebody else has no word of what is hidden from them, and what they left', async () => {
    const { id: session } = await startSession(ada, [ben]);
    const secret = await keepSecret(ada, { scope: 'shared', shared_with: [ben.id], name: 'LENT' });
    const about = { from: { name: 'note' }, to: { derived: true, id: secret.id }, type: 'mentions' };
    const note = { entities: [{ name: 'note', type: 'T' }], relations: [about] };
    expectStatus(await importDocument(ada, note, { session_id: session }), 200);
    expectStatus(await importText(app, ada, `${entity('QVX', ['QVX'], 'QVX')}\n${relation('QVX', 'QVX', 'QVX')}`), 200);
    const both = async (): Promise<string> =>
      (await exportText(app, ben, 'json')).text + (await exportText(app, ben, 'jsonl')).text;
    const seen = await both();
    expect(seen).not.toContain('QVX');
    expect(seen).toContain('LENT');
    expectStatus(await ada.call('POST', `/secrets/${secret.id}/unshare`, { body: { user_id: ben.id } }), 200);
    const unshared = await both();
    expect(unshared).toContain('note');
    expect(unshared).not.toContain('LENT');
    expect(unshared).not.toContain(secret.id);
    expect(unshared).not.toContain('mentions');
    expectStatus(await ben.call('DELETE', `/sessions/${session}/participants/${ben.id}`), 204);
    expect(await both()).not.toContain('note');
    expect((await exportText(app, ada, 'json')).text).toContain('LENT');
  });
});

describe('an import of a JSON document', () => {
  const item = (parts: object = {}) => ({ entities: [{ name: 'a', type: 'T', ...parts }] });

  it('takes aliases that name the entity itself or are given twice', async () => {
    expectStatus(await importDocument(ada, item({ aliases: ['a', 'b', 'b'] })), 200);
    const { body } = expectStatus(await ada.call('GET', '/graph/entities?name=b'), 200);
    expect([body.name, body.aliases]).toEqual(['a', ['b']]);
  });

  it('takes an alias of 400 characters beyond U+20000, and refuses one of 401', async () => {
    const alias = String.fromCodePoint(...Array.from({ length: 401 }, (_, at) => 0x20000 + ((at * 733) % 42_000)));
    expect(badPlaces(await importDocument(ada, item({ aliases: [alias] })))).toEqual(['entities[0]']);
    expectStatus(await importDocument(ada, item({ aliases: [alias.slice(0, 800)] })), 200);
    expect((await exportText(app, ada, 'json')).text).toContain(alias.slice(0, 800));
  });

  it.each([
    [
      'an alias that is the name of another',
      {
        entities: [
          { name: 'b', type: 'T', aliases: ['c'] },
          { name: 'c', type: 'T' },
        ],
      },
    ],
    [
      'attributes of more than eight levels',
      item({ attributes: JSON.parse(`{"a":${'['.repeat(9)}${']'.repeat(9)}}`) }),
    ],
    ['attributes with NUL in a name', item({ attributes: { 'k\0': 'v' } })],
    [
      'an end before the beginning',
      item({ observations: [{ content: 'x', valid_at: '2021-01-01T00:00:00Z', invalid_at: '2020-01-01T00:00:00Z' }] }),
    ],
    ['a confidence above 1', item({ observations: [{ content: 'x', confidence: 1.5 }] })],
    ['a time without a zone', item({ observations: [{ content: 'x', valid_at: '2026-02-03T10:00' }] })],
    ['a change later than now', item({ updated_at: '2999-01-01T00:00:00Z' })],
    ['a field that it does not know', item({ colour: 'red' })],
  ])('is refused whole for %s', async (_what, parts) => {
    expect(badPlaces(await importDocument(ada, parts))).toEqual(['entities[0]']);
    expect((await exportText(app, ada, 'jsonl')).text).toBe('');
    expectStatus(await importDocument(ada, item()), 200);
  });

  it('is refused for attributes of a hundred thousand levels', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const text = `{"entities":[{"name":"a","type":"T","attributes":{"a":${deep}}}]}`;
    expectStatus(await importText(app, ada, text, { format: 'json' }), 400);
  });
});
