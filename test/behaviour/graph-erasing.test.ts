import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { count } from '../support/counts.ts';
import {
  expectStatus,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { remember } from '../support/remembered.ts';
import { tableContents } from '../support/table-contents.ts';

let app: TestApp;
let admin: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
});
afterAll(() => app.close());

/** Two people whom no other test knows. */
const strangers = async (): Promise<{ ann: Person; ben: Person }> => {
  const names = [uniqueName('ann').toLowerCase(), uniqueName('ben').toLowerCase()] as const;
  const made = await people(app, admin, ...names);
  return { ann: made[names[0]] as Person, ben: made[names[1]] as Person };
};

/** A word that nothing else in the database holds. */
const word = (): string => `w${randomBytes(8).toString('hex')}`;

const found = async (who: Person, q: string, session?: string): Promise<number> => {
  const options = session === undefined ? {} : { session };
  return expectStatus(await who.call('GET', `/graph/search?q=${q}`, options), 200).body.results.length;
};

const get = (who: Person, id: string, session?: string) =>
  who.call('GET', `/graph/entities/${id}?relations=true`, session === undefined ? {} : { session });

/** Every word in every column of every table. */
const isStored = async (text: string): Promise<boolean> =>
  [...(await tableContents(app.database)).values()].some((column) => column.includes(text));

/** Ann and Ben in a session, with facts of both in it and of Ann's own. */
const memories = async () => {
  const { ann, ben } = await strangers();
  const session = (await startSession(ann, [ben])).id;
  const words = { own: word(), shared: word(), tag: word(), alias: word(), kept: word(), related: word(), ben: word() };
  const own = await remember(ann, { name: words.own, tags: [words.tag], observations: [`${words.own} is hers`] });
  const kept = await remember(ann, { name: words.kept, attributes: { of: words.kept } }, { session });
  const alone = await remember(ann, { name: words.shared, observations: [words.shared] }, { session });
  const observations = [{ entity: { id: kept.id }, contents: [words.ben] }];
  expectStatus(await ben.call('POST', '/graph/observations', { session, body: { observations } }), 201);
  const bens = await remember(ben, { name: `ben ${words.ben}` }, { session });
  const relations = [
    { from: { id: own.id }, to: { id: kept.id }, type: words.related, session_id: null },
    { from: { id: alone.id }, to: { id: bens.id }, type: 'knows' },
  ];
  expectStatus(await ann.call('POST', '/graph/relations', { session, body: { relations } }), 201);
  return { ann, ben, session, words, own, kept, alone, bens };
};

describe('forgetting what one remembered', () => {
  it('one’s own memory and what one recorded in sessions are gone from every table, and what others wrote stays', async () => {
    const { ann, ben, session, words, own, kept, alone, bens } = await memories();
    for (const text of [words.own, words.shared, words.tag, words.kept]) expect(await isStored(text)).toBe(true);
    expect(await found(ann, words.own)).toBe(1);
    expect(await found(ben, words.shared, session)).toBe(1);

    const receipt = expectStatus(await ann.call('DELETE', '/graph/me'), 200).body;
    expect(receipt).toEqual({
      entities: 2,
      observations: 2,
      relations: 2,
      names: 3,
      metadata: 0,
      uses: 0,
      anonymised: 1,
    });
    for (const text of [words.own, words.shared, words.tag, words.kept, words.related])
      expect(await isStored(text)).toBe(false);
    for (const text of [words.own, words.shared, words.kept]) expect(await found(ben, text, session)).toBe(0);
    for (const { id } of [own, alone]) expectStatus(await get(ben, id, session), 404);

    const { entity, relations } = expectStatus(await get(ben, kept.id, session), 200).body;
    expect(entity).toMatchObject({ id: kept.id, name: null, author_id: null, agent: null, attributes: {}, tags: [] });
    expect(entity.observations.map((one: { content: string }) => one.content)).toEqual([words.ben]);
    expect(relations).toEqual([]);
    expect(await found(ben, words.ben, session)).toBe(2);
    expect(expectStatus(await get(ben, bens.id, session), 200).body.relations).toEqual([]);
  });

  it('a user who remembered nothing gets an empty receipt, and can remember anew afterwards', async () => {
    const { ann } = await strangers();
    const first = await remember(ann, { name: 'once' });
    expectStatus(await ann.call('DELETE', '/graph/me'), 200);
    const receipt = expectStatus(await ann.call('DELETE', '/graph/me'), 200).body;
    expect(Object.values(receipt).every((count) => count === 0)).toBe(true);
    const second = await remember(ann, { name: 'once' });
    expect(second.id).not.toBe(first.id);
  });

  it('a token that is bound to a session forgets nothing unless it carries graph:own', async () => {
    const { ann } = await strangers();
    const session = (await startSession(ann)).id;
    const own = await remember(ann);
    const tokenWith = async (...more: string[]) => {
      const body = { name: 'agent', permissions: ['graph:write', ...more], session_id: session, expires_in: 3600 };
      return expectStatus(await ann.call('POST', '/auth/tokens', { body }), 201).body.token as string;
    };
    const forget = (token: string) => app.call('DELETE', '/graph/me', { token });
    expectStatus(await forget(await tokenWith()), 403);
    expectStatus(await get(ann, own.id), 200);
    expectStatus(await forget(await tokenWith('graph:own')), 200);
    expectStatus(await get(ann, own.id), 404);
  });

  it('thousands of facts are forgotten in one call, with a receipt that equals what there was', async () => {
    const { ann, ben } = await strangers();
    const session = (await startSession(ann, [ben])).id;
    const bens = await remember(ben, { observations: ['of ben'] }, { session });
    const facts = count(10_001);
    const mark = word();
    const lines = Array.from({ length: facts }, (_, at) =>
      JSON.stringify({
        type: 'entity',
        name: `${mark} ${at}`,
        entityType: 'note',
        observations: [`${mark} fact ${at}`],
      }),
    );
    const send = (text: string, place: string) =>
      fetch(`${app.url}/api/v1/graph/import?format=jsonl${place}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ann.token}`, 'content-type': 'application/jsonl' },
        body: text,
      });
    const half = Math.floor(facts / 2);
    expect((await send(lines.slice(0, half).join('\n'), '')).status).toBe(200);
    expect((await send(lines.slice(half).join('\n'), `&session_id=${session}`)).status).toBe(200);
    expect(await found(ann, mark)).toBeGreaterThan(0);
    const receipt = expectStatus(await ann.call('DELETE', '/graph/me'), 200).body;
    expect(receipt).toMatchObject({ entities: facts, observations: facts, names: facts, anonymised: 0 });
    expect(await isStored(mark)).toBe(false);
    expect(await found(ben, mark, session)).toBe(0);
    expectStatus(await get(ben, bens.id, session), 200);
  });
});

describe('the end of what facts are about', () => {
  it('an erased user’s memories are erased with them, and facts of others about them are seen no more', async () => {
    const { ann, ben, session, words, kept } = await memories();
    const about = [{ from: { id: kept.id }, to: { id: ann.id }, type: 'admires' }];
    expectStatus(await ben.call('POST', '/graph/relations', { session, body: { relations: about } }), 201);
    const preview = expectStatus(await ann.call('GET', `/users/${ann.id}/erasure`), 200).body;
    expect(preview.counts.memories).toBe(7);
    const receipt = expectStatus(await admin.call('DELETE', `/users/${ann.id}`), 200).body;
    expect(receipt).toMatchObject({ complete: true, counts: { memories: 7 } });
    for (const text of [words.own, words.shared, words.tag, words.kept, words.related])
      expect(await isStored(text)).toBe(false);
    const { rows } = await app.database.client.query('select 1 from memory_entities where id = $1', [ann.id]);
    expect(rows).toEqual([]);
    // The session ended with its owner; those who were present at its end still read what they wrote.
    const left = expectStatus(await get(ben, kept.id), 200).body;
    expect(left.entity.observations.map((one: { content: string }) => one.content)).toEqual([words.ben]);
    expect(left.relations).toEqual([]);
  });

  it('facts about a secret go with it when it is purged, and stay while it can be recovered', async () => {
    const { ann } = await strangers();
    const secret = await keepSecret(ann);
    const note = await remember(ann);
    const relations = [{ from: { id: note.id }, to: { id: secret.id }, type: 'explains' }];
    expectStatus(await ann.call('POST', '/graph/relations', { body: { relations } }), 201);
    const edges = async () => expectStatus(await get(ann, note.id), 200).body.relations.length;
    expect(await edges()).toBe(1);
    expectStatus(await ann.call('DELETE', `/secrets/${secret.id}`), 204);
    expect(await edges()).toBe(1);
    expectStatus(await ann.call('DELETE', `/secrets/${secret.id}?purge=true`), 204);
    expect(await edges()).toBe(0);
    const anchors = 'select 1 from memory_entities where id = $1 or secret_id = $1';
    expect((await app.database.client.query(anchors, [secret.id])).rows).toEqual([]);
  });
});
