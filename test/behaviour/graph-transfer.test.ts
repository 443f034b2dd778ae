import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { count } from '../support/counts.ts';
import { badPlaces, entity, exportText, importText, relation } from '../support/graph-transfer.ts';
import { expectStatus, logInAdmin, type Person, people, startSession } from '../support/people.ts';

let app: TestApp;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ada, ben } = await people(app, await logInAdmin(app), 'ada', 'ben'));
});
afterAll(() => app.close());
beforeEach(async () => {
  for (const one of [ada, ben]) expectStatus(await one.call('DELETE', '/graph/me'), 200);
});

/** Nothing of a refused import is there. */
const isEmpty = async (person: Person): Promise<void> => expect((await exportText(app, person, 'jsonl')).text).toBe('');

describe('an import of JSON lines', () => {
  it('brings entities, observations and relations in any order, and again changes nothing', async () => {
    const text = [relation('Ada', 'Ben'), entity('Ada', ['likes tea', 'lives in Bern']), entity('Ben')].join('\n');
    const first = expectStatus(await importText(app, ada, text), 200);
    expect(first.body).toEqual({
      entities: { created: 2, existing: 0 },
      observations: { created: 2, existing: 0 },
      relations: { created: 1, existing: 0, dropped: 0 },
      session_id: null,
    });
    expect(expectStatus(await importText(app, ada, text), 200).body).toEqual({
      entities: { created: 0, existing: 2 },
      observations: { created: 0, existing: 2 },
      relations: { created: 0, existing: 1, dropped: 0 },
      session_id: null,
    });
    const { text: exported } = await exportText(app, ada, 'jsonl');
    expect(exported).toBe(
      `${entity('Ada', ['likes tea', 'lives in Bern'])}\n${entity('Ben', [])}\n${relation('Ada', 'Ben')}\n`,
    );
  });

  it('takes a byte order mark, CRLF, blank lines and spaces at line ends, and keeps a mark within a text', async () => {
    const text = `\ufeff${entity('Ada', ['a\ufeffb'])}  \r\n\r\n   \r\n${entity('Ben', ['x'])}\t\r\n`;
    expectStatus(await importText(app, ada, text), 200);
    expect((await exportText(app, ada, 'jsonl')).text).toBe(
      `${entity('Ada', ['a\ufeffb'])}\n${entity('Ben', ['x'])}\n`,
    );
  });

  it('takes a last line without an end, and an empty file', async () => {
    expectStatus(await importText(app, ada, entity('Ada', ['x'])), 200);
    expect(expectStatus(await importText(app, ada, ''), 200).body.entities).toEqual({ created: 0, existing: 0 });
  });

  it.each([
    ['two records on one line', `${entity('Ada')}\n${entity('Ben')}${entity('Cy')}\n`, ['line 2']],
    ['a record that is cut off', `${entity('Ada')}\n{"type":"entity","name":"Be`, ['line 2']],
    ['an entity without a type', `${entity('Ada')}\n{"type":"entity","name":"Ben","observations":[]}`, ['line 2']],
    ['null among observations', `${entity('Ada', ['ok', null])}\n${entity('Ben')}`, ['line 1']],
    ['a record of another type', `{"type":"meta"}\n${entity('Ben')}`, ['line 1']],
    ['a field that would be lost', `{"type":"entity","name":"Ada","entityType":"P","colour":"red"}`, ['line 1']],
    ['a name given twice', `{"type":"entity","name":"Ada","name":"Ben","entityType":"P"}`, ['line 1']],
    ['a derived type', `${entity('Ada', [], 'User')}\n${entity('Ben', [], 'USER')}`, ['line 2']],
    ['a name of 401 characters', `${entity('n'.repeat(401))}\n${entity('n'.repeat(400))}`, ['line 1']],
    [
      'a type of 129 characters',
      `${entity('a', [], 't'.repeat(129))}\n${entity('b', [], 't'.repeat(128))}`,
      ['line 1'],
    ],
    ['an observation of more than 64 KiB', `${entity('a', ['é'.repeat(32_769)])}`, ['line 1']],
    ['a NUL character', entity('a', ['W\0s']), ['line 1']],
    ['half a character', '{"type":"entity","name":"a","entityType":"P","observations":["\\ud83d"]}', ['line 1']],
    ['one name with two types', `${entity('a')}\n\n${entity('a', [], 'CONCEPT')}`, ['line 3']],
    ['a relation to an unknown name', `${entity('a')}\n${relation('a', 'b')}`, ['line 2']],
    ['several bad lines', `{\n${entity('')}\n${entity('a')}\nx`, ['line 1', 'line 2', 'line 4']],
  ])('is refused whole with the line of %s', async (_what, text, lines) => {
    expect(badPlaces(await importText(app, ada, text))).toEqual(lines);
    await isEmpty(ada);
  });

  it('names both lines of a name with two types, the limit of what is too long, and the format of a document', async () => {
    const twoTypes = await importText(app, ada, `${entity('a')}\n${entity('a', [], 'CONCEPT')}`);
    expect(twoTypes.body.errors[0]).toMatchObject({ field: 'line 2', detail: expect.stringContaining('line 1') });
    const long = await importText(app, ada, entity('a', ['x'.repeat(65_537)]));
    expect(long.body.errors[0].detail).toContain('65536');
    const document = await importText(app, ada, '{"entities":[],"relations":[]}');
    expect(document.body.errors[0].detail).toContain('format=json');
    const lines = await importText(app, ada, `${entity('a')}\n${entity('b')}\n`, { format: 'json' });
    expect(expectStatus(lines, 400).body.detail).toContain('format=jsonl');
  });

  it('names the first hundred of many bad lines, and says how many there are', async () => {
    const answer = await importText(app, ada, 'x\n'.repeat(250));
    expect(badPlaces(answer)).toHaveLength(100);
    expect(answer.body.detail).toContain('249 more');
  });

  it('leaves out relations to unknown names where it is told to, and counts them', async () => {
    const text = [entity('a'), relation('a', 'b'), relation('a', 'a')].join('\n');
    const { body } = expectStatus(await importText(app, ada, text, { dangling: 'drop' }), 200);
    expect(body.relations).toEqual({ created: 1, existing: 0, dropped: 1 });
  });

  it('adds to what is there, and refuses another type for a name that is taken', async () => {
    expectStatus(await importText(app, ada, entity('a', ['one'])), 200);
    const more = expectStatus(await importText(app, ada, entity('a', ['one', 'two'])), 200);
    expect(more.body.observations).toEqual({ created: 1, existing: 1 });
    expect(badPlaces(await importText(app, ada, entity('a', [], 'CONCEPT')))).toEqual(['line 1']);
    expectStatus(await importText(app, ada, relation('a', 'a')), 200);
  });

  it('keeps the types User and user, which are not the derived one', async () => {
    const text = `${entity('a', [], 'User')}\n${entity('b', [], 'user')}`;
    expectStatus(await importText(app, ada, text), 200);
    expect((await exportText(app, ada, 'jsonl')).text).toContain('"entityType":"user"');
  });

  it('goes to the session that it names, whose participants see it and nobody else', async () => {
    const session = await startSession(ada, [ben]);
    const { body } = expectStatus(await importText(app, ada, entity('ours', ['x']), { session_id: session.id }), 200);
    expect(body.session_id).toBe(session.id);
    expect((await exportText(app, ben, 'jsonl')).text).toContain('"ours"');
    expectStatus(await importText(app, ada, entity('mine', ['x'])), 200);
    expect((await exportText(app, ben, 'jsonl')).text).not.toContain('"mine"');
    expect((await exportText(app, ada, 'jsonl', { session_id: '' })).text).toBe(`${entity('mine', ['x'])}\n`);
    expect((await exportText(app, ada, 'jsonl', { session_id: session.id })).text).toBe(`${entity('ours', ['x'])}\n`);
    const other = await startSession(ben);
    expectStatus(await importText(app, ada, entity('theirs'), { session_id: other.id }), 403);
    expectStatus(await ada.call('GET', `/graph/export?session_id=${other.id}`), 404);
  });

  it('finds the words around 3,000 characters of base64, and keeps names of 400 characters beyond U+20000', async () => {
    const long = Buffer.from(Array.from({ length: 2250 }, (_, at) => (at * 7919) % 251)).toString('base64');
    const name = String.fromCodePoint(...Array.from({ length: 400 }, (_, at) => 0x20000 + ((at * 733) % 42_000)));
    expectStatus(await importText(app, ada, `${entity('a', [`alpha ${long} omega`])}\n${entity(name, ['b'])}`), 200);
    for (const q of ['alpha', 'omega']) {
      const { body } = expectStatus(await ada.call('GET', `/graph/search?q=${q}`), 200);
      expect(body.results.map((one: any) => one.entity.name)).toEqual(['a']);
    }
    expect((await exportText(app, ada, 'jsonl')).text).toContain(entity(name, ['b']));
  });

  it('refuses a megabyte of distinct words with its line and the limit of an observation', async () => {
    const words = Array.from({ length: 150_000 }, (_, at) => `w${at}`).join(' ');
    const answer = await importText(app, ada, `${entity('a', ['ok'])}\n${entity('b', [words])}`);
    expect(badPlaces(answer)).toEqual(['line 2']);
    expect(answer.body.errors[0].detail).toMatch(/observations\[0\] has \d+ bytes; the limit is 65536/);
    const most = Array.from({ length: 9000 }, (_, at) => `w${at}`).join(' ');
    expectStatus(await importText(app, ada, `${entity('a', ['ok'])}\n${entity('b', [most])}`), 200);
  });

  it('keeps a type of a relation of 128 characters, and refuses one of 129', async () => {
    const text = (length: number): string => `${entity('a')}\n${relation('a', 'a', 'r'.repeat(length))}`;
    expect(badPlaces(await importText(app, ada, text(129)))).toEqual(['line 2']);
    expectStatus(await importText(app, ada, text(128)), 200);
  });

  it('refuses bytes that are not UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from(entity('a', ['x']).slice(0, -3)),
      Buffer.from([0xff]),
      Buffer.from('"]}'),
    ]);
    expect(expectStatus(await importText(app, ada, bytes), 400).body.detail).toContain('UTF-8');
    await isEmpty(ada);
  });

  it('of a session belongs to a token that is bound to the session, and nothing else does', async () => {
    const { id: session } = await startSession(ada);
    const { id: other } = await startSession(ada);
    const body = { name: 'bound', permissions: ['graph:read', 'graph:write'], expires_in: 3600, session_id: session };
    const bound = ada.with(expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body.token);
    expect(expectStatus(await importText(app, bound, entity('bound')), 200).body.session_id).toBe(session);
    for (const session_id of ['', other])
      expectStatus(await importText(app, bound, entity('bound'), { session_id }), 403);
    expectStatus(await importText(app, ada, entity('own')), 200);
    expect((await exportText(app, bound, 'jsonl')).text).toBe(`${entity('bound', [])}\n`);
    expectStatus(await bound.call('GET', '/graph/export?mode=all'), 403);
  });
});

it(`an import brings ${count(10_000)} entities with 10 observations each and as many relations, all or none`, async () => {
  const names = Array.from({ length: count(10_000) }, (_, at) => `entity ${at}`);
  const facts = Array.from({ length: 10 }, (_, at) => at);
  const lines = [
    ...names.map((name, at) =>
      entity(
        name,
        facts.map((fact) => `fact ${fact} of ${at}`),
      ),
    ),
    ...names.map((name, at) => relation(name, names[(at + 1) % names.length] ?? '')),
  ];
  const last = names.length - 1;
  const broken = lines.with(last - 1, '{"type":"entity"}');
  expect(badPlaces(await importText(app, ben, broken.join('\n')))).toContain(`line ${last}`);
  await isEmpty(ben);
  const { body } = expectStatus(await importText(app, ben, `${lines.join('\n')}\n`), 200);
  expect(body).toEqual({
    entities: { created: names.length, existing: 0 },
    observations: { created: names.length * 10, existing: 0 },
    relations: { created: names.length, existing: 0, dropped: 0 },
    session_id: null,
  });
  const { text } = await exportText(app, ben, 'jsonl');
  expect(text.trimEnd().split('\n').sort()).toEqual(lines.sort());
});
