import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { count } from '../support/counts.ts';
import { link } from '../support/graph-reads.ts';
import type { RequestOptions } from '../support/http.ts';
import { withoutRequestId } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  lasting,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { remember } from '../support/remembered.ts';

/* Searches over HTTP: what they find, in which order, and what narrows them. graph-languages looks at scripts. */

let app: TestApp;
let admin: Person;
let ann: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ann } = await people(app, admin, 'ann'));
});
afterAll(() => app.close());

/** Somebody new, by a login. */
const somebody = async (): Promise<Person> => {
  const name = uniqueName('somebody').toLowerCase();
  return (await people(app, admin, name))[name] as Person;
};

const search = async (who: Person, q: string, more = '', options: RequestOptions = {}) =>
  expectStatus(await who.call('GET', `/graph/search?q=${encodeURIComponent(q)}&limit=100${more}`, options), 200).body
    .results as { readonly entity: { readonly id: string; readonly name: string }; readonly matches: any[] }[];

const names = async (...asked: Parameters<typeof search>): Promise<string[]> =>
  (await search(...asked)).map(({ entity }) => entity.name);

describe('a search', () => {
  it('puts the entity of exactly this name first', async () => {
    const who = await somebody();
    await remember(who, { name: 'notes of Monday', observations: ['the ledger was slow'] });
    await remember(who, { name: 'ledger of the old system' });
    await remember(who, { name: 'ledger' });
    const [first, ...others] = await names(who, 'ledger');
    expect(first).toBe('ledger');
    expect(others.sort()).toEqual(['ledger of the old system', 'notes of Monday']);
  });

  it('forgives a slip in a name', async () => {
    const who = await somebody();
    await remember(who, { name: 'Kubernetes cluster' });
    await remember(who, { name: 'coffee machine' });
    expect(await names(who, 'Kubernets')).toEqual(['Kubernetes cluster']);
  });

  it('says where each hit was found', async () => {
    const who = await somebody();
    const word = 'zebrafish';
    const old = await remember(who, { name: `${word} two` });
    const { id } = await remember(who, {
      name: `${word} one`,
      tags: [word],
      attributes: { about: { animal: word } },
      observations: [`saw a ${word}`, 'nothing else'],
    });
    expectStatus(await who.call('POST', `/graph/entities/${old.id}/merge`, { body: { into: id } }), 200);
    const [found, ...others] = await search(who, word);
    expect(others).toEqual([]);
    expect(found?.matches.map((one) => one.in).sort()).toEqual(['alias', 'attribute', 'name', 'observation', 'tag']);
    expect(found?.matches.find((one) => one.in === 'observation')).toMatchObject({
      text: `saw a ${word}`,
      observation_id: expect.any(String),
    });
  });

  it('is narrowed by a type, a tag, the time of recording, and a moment', async () => {
    const who = await somebody();
    const at = (): string => app.clock.now().toISOString();
    await remember(who, { name: 'plum one', type: 'TASK', tags: ['a_b'] });
    app.clock.advance(60_000);
    const between = at();
    app.clock.advance(60_000);
    await remember(who, { name: 'plum two', type: 'BUG', tags: ['axb'] });
    expect((await names(who, 'plum')).sort()).toEqual(['plum one', 'plum two']);
    expect(await names(who, 'plum', '&type=BUG')).toEqual(['plum two']);
    expect(await names(who, 'plum', '&tag=a_b')).toEqual(['plum one']);
    expect(await names(who, 'plum', `&since=${between}`)).toEqual(['plum two']);
    expect(await names(who, 'plum', `&until=${between}`)).toEqual(['plum one']);

    const times = { valid_at: '2025-01-01T00:00:00Z', invalid_at: '2026-01-01T00:00:00Z' };
    const observations = [{ entity: { name: 'plum one' }, contents: ['was ripe'], ...times }];
    expectStatus(await who.call('POST', '/graph/observations', { body: { observations } }), 201);
    expect(await names(who, 'ripe')).toEqual([]);
    const asOf = async (time: string): Promise<string[]> => await names(who, 'ripe', `&as_of=${time}`);
    expect(await asOf('2024-12-31T23:59:59.999Z')).toEqual([]);
    expect(await asOf('2025-01-01T00:00:00Z')).toEqual(['plum one']);
    expect(await asOf('2025-12-31T23:59:59.999Z')).toEqual(['plum one']);
    expect(await asOf('2026-01-01T00:00:00Z')).toEqual([]);
  });

  it('finds secrets, sessions and users by their names, where the caller may list them', async () => {
    const [who, other] = [await somebody(), await somebody()];
    const word = 'QUOKKA';
    const secret = await keepSecret(who, { name: `${word}_KEY` });
    await keepSecret(other, { name: `${word}_OTHER` });
    const session = await startSession(who, [other], { title: `${word} talk` });
    const ids = async (person: Person, q: string) => (await search(person, q)).map(({ entity }) => entity.id);
    expect((await ids(who, word)).sort()).toEqual([secret.id, session.id].sort());
    expect(await ids(who, other.username)).toContain(other.id);
    expect(await ids(ann, word)).toEqual([]);
    const token = await lasting(who, ['graph:read']);
    expect(await ids(token, word)).toEqual([]);
  });

  it('finds the oldest of many secrets, also where the others are hidden from those who read (audience)', async () => {
    const [who, other] = [await somebody(), await somebody()];
    const session = await startSession(who, [other]);
    const oldest = await keepSecret(who, { name: 'WOMBAT_FIRST', scope: 'session' }, { session: session.id });
    const items = Array.from({ length: 600 }, (_, at) => ({ name: `WOMBAT_${at}`, type: 'api_key', value: 'a value' }));
    expectStatus(await who.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
    const ids = async (q: string, options: RequestOptions = {}) =>
      (await search(who, q, '', options)).map(({ entity }) => entity.id);
    expect(await ids('wombat_first')).toEqual([oldest.id]);
    expect(await ids('wombat first')).toEqual([oldest.id]);
    expect(await ids('wombat', { session: session.id })).toEqual([oldest.id]);
    const many = await who.call('GET', '/graph/search?q=wombat&limit=100');
    expect(expectStatus(many, 200).body.truncated).toBe(true);
    expect(many.body.results).toHaveLength(100);
  });

  it.each([
    ['a path', 'install.sh | bash'],
    ['a part of a file’s name', 'config'],
    ['an ending', 'yaml'],
    ['a part number', 'DS-7604'],
    ['a number after a hyphen', '1234'],
    ['a part of an identifier', 'UserBy'],
    ['a glued word', 'itgc'],
    ['two characters of Chinese', '悬空'],
    ['four characters of Chinese', '引用清零'],
    ['one character of Chinese', '零'],
    ['a decomposed word', 'Cafe\u0301'],
    ['a word of wide letters', 'API'],
  ])('finds %s (G12 to G14)', async (_what, q) => {
    const who = await somebody();
    const texts = [
      'curl -fsSL https://x.io/install.sh | bash; /srv/config.prod.yaml DS-7604NI-E1 order-1234 getUserById',
      '重跑gen-itgc后50条悬空引用清零',
      'Caf\u00e9, ＡＰＩ',
    ];
    await remember(who, { name: 'it', observations: texts });
    await remember(who, { name: 'another', observations: ['something else'] });
    expect(await names(who, q)).toEqual(['it']);
    const { observations } = expectStatus(await who.call('GET', '/graph/entities?name=it'), 200).body;
    expect(observations.map((one: { content: string }) => one.content)).toEqual(texts);
  });

  it('meets both forms of a name, which stay two entities (G14)', async () => {
    const who = await somebody();
    const forms = ['Caf\u00e9', 'Cafe\u0301'];
    for (const name of forms) await remember(who, { name });
    for (const q of forms) expect((await names(who, q)).sort()).toEqual(forms.toSorted());
    for (const name of forms) {
      const found = await who.call('GET', `/graph/entities?name=${encodeURIComponent(name)}`);
      expect(expectStatus(found, 200).body.name).toBe(name);
    }
  });
});

describe('a word that only somebody else’s memory holds', () => {
  const word = 'platypus';
  const everything = (id: string): string[] => [
    `/graph/search?q=${word}&limit=100`,
    `/graph/search?q=${word}&mode=all`,
    `/graph/search?q=quoll&type=${word}`,
    `/graph/search?q=quoll&tag=${word}`,
    `/graph/entities?name=${word}`,
    `/graph/entities/${id}?relations=true`,
    `/graph/entities/${id}/neighbourhood?hops=4`,
    `/graph/entities/${id}/neighbourhood?type=${word}`,
    `/graph/path?from=${id}&to=${id}`,
    '/graph?max_tokens=100000',
    '/graph/export?format=json',
    '/graph/export?format=jsonl',
    '/graph/activities',
  ];

  it('is in no answer to another user, who reads what they would read without it (G7)', async () => {
    const ben = await somebody();
    const { id: session } = await startSession(ann);
    const { id } = await remember(ben, { name: 'quoll', observations: ['of Ben'] });
    const reads = async (): Promise<string[]> => {
      const texts: string[] = [];
      for (const path of everything(id)) texts.push(withoutRequestId(await ben.call('GET', path)));
      return texts;
    };
    const before = await reads();

    const [entity, plain] = [await remember(ann, { name: word }), await remember(ann, { type: word, tags: [word] })];
    expectStatus(await ann.call('POST', `/graph/entities/${plain.id}/merge`, { body: { into: entity.id } }), 200);
    const quoll = await remember(ann, {
      name: 'quoll',
      attributes: { [word]: word },
      observations: [word],
      tags: [word],
    });
    await link(ann, [entity, word, quoll]);
    const body = { type: word, content: `saw a ${word}` };
    expectStatus(await ann.call('POST', '/graph/activities', { body, session }), 201);
    expect((await search(ann, word)).length).toBeGreaterThan(1);

    expect(await reads()).toEqual(before);
    expect(before.join('')).not.toMatch(/"title":"[^"]*(?:internal|unavailable)/i);
    const hits = expectStatus(await ben.call('GET', `/graph/search?q=quoll`), 200).body.results;
    expect(hits.map((one: any) => one.entity.id)).toEqual([id]);
  });
});

describe('one text in several places', () => {
  it('is deleted where it was meant, and found everywhere else (G34)', async () => {
    const who = await somebody();
    const { id: session } = await startSession(who);
    const text = 'the numbat sleeps';
    const places = [
      await remember(who, { name: 'first', observations: [text] }),
      await remember(who, { name: 'second', observations: [text] }),
      await remember(who, { name: 'third', observations: [text] }, { session }),
    ];
    expect((await names(who, 'numbat')).sort()).toEqual(['first', 'second', 'third']);
    const observations = [{ entity: { id: places[0]?.id }, contents: [text] }];
    expectStatus(await who.call('DELETE', '/graph/observations', { body: { observations } }), 200);
    expect((await names(who, 'numbat')).sort()).toEqual(['second', 'third']);
    for (const { id } of places.slice(1)) {
      const { entity } = expectStatus(await who.call('GET', `/graph/entities/${id}`), 200).body;
      expect(entity.observations).toMatchObject([{ content: text }]);
    }
  });
});

describe('while others write', () => {
  it('every search finds what is there, and every pass over the pages shows it once (G36)', async () => {
    const who = await somebody();
    const session = await startSession(who);
    const still = await remember(who, { name: 'the quiet wombat' }, { session: session.id });
    const writers = await Promise.all(Array.from({ length: 10 }, somebody));
    let writing = true;
    const write = async (writer: Person, at: number): Promise<void> => {
      while (writing) {
        const mine = at % 2 === 0 ? who : writer;
        const where = mine === who ? { session: session.id } : {};
        const { id } = await remember(mine, { observations: ['a wombat passes', 'something else'] }, where);
        if (at % 3 === 0) expectStatus(await mine.call('DELETE', `/graph/entities/${id}`, where), 204);
      }
    };
    const written = writers.map(write);
    try {
      for (let at = 0; at < count(1000); at += 1) {
        const found = await search(who, 'quiet wombat');
        expect(found.filter(({ entity }) => entity.id === still.id)).toHaveLength(1);
        if (at % 25 > 0) continue;
        const shown: string[] = [];
        for (let cursor: string | null = ''; cursor !== null; ) {
          const next: string = cursor === '' ? '' : `&cursor=${cursor}`;
          const page = expectStatus(await who.call('GET', `/graph?max_tokens=5000${next}`), 200).body;
          shown.push(...page.entities.map((one: { id: string }) => one.id));
          cursor = page.next_cursor;
        }
        expect(shown.filter((id) => id === still.id)).toHaveLength(1);
      }
    } finally {
      writing = false;
      await Promise.all(written);
    }
  });
});
