import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { everywhere, link, readsThatShow } from '../support/graph-reads.ts';
import type { RequestOptions } from '../support/http.ts';
import { expectStatus, logInAdmin, type Person, people, startSession, uniqueName } from '../support/people.ts';
import { type Remembered, remember } from '../support/remembered.ts';

/*
 * What a mode chooses among the facts that somebody may see, and which one holds where a request names none (G5, G8, G35).
 */

let app: TestApp;
let ann: Person;
let ben: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ann, ben } = await people(app, await logInAdmin(app), 'ann', 'ben'));
});
afterAll(() => app.close());

/** An entity, and another one from which a relation leads to it. */
const findable = async (who: Person, options: RequestOptions = {}) => {
  const name = uniqueName('job');
  const [from, { id }] = [await remember(who, {}, options), await remember(who, { name }, options)];
  await link(who, [from, 'about', { id }], options);
  return { id, name, from };
};

describe('a mode', () => {
  const modes = ['session', 'all', 'audience', undefined] as const;
  let shared: string;
  let other: string;
  let alone: string;
  const facts: Record<string, Awaited<ReturnType<typeof findable>>> = {};
  beforeAll(async () => {
    ({ id: shared } = await startSession(ann, [ben]));
    ({ id: other } = await startSession(ann));
    ({ id: alone } = await startSession(ann));
    facts['own'] = await findable(ann);
    for (const [name, session] of Object.entries({ shared, other, alone }))
      facts[name] = await findable(ann, { session });
  });

  const sought = (fact: string) => facts[fact] as Awaited<ReturnType<typeof findable>>;

  const expected: readonly [where: string | null, mode: (typeof modes)[number], shows: readonly string[]][] = [
    [null, undefined, ['own', 'shared', 'other', 'alone']],
    [null, 'all', ['own', 'shared', 'other', 'alone']],
    ['shared', undefined, ['shared']],
    ['shared', 'audience', ['shared']],
    ['shared', 'session', ['own', 'shared']],
    ['shared', 'all', ['own', 'shared', 'other', 'alone']],
    ['alone', undefined, ['own', 'alone']],
    ['alone', 'session', ['own', 'alone']],
    ['alone', 'audience', ['own', 'shared', 'other', 'alone']],
    ['alone', 'all', ['own', 'shared', 'other', 'alone']],
  ];
  it.each(expected)('in %s, mode %s shows %j, in every read', async (where, mode, shows) => {
    const session = where === null ? {} : { session: { shared, other, alone }[where] as string };
    for (const fact of Object.keys(facts)) {
      const reads = await readsThatShow(ann, sought(fact), { ...session, ...(mode === undefined ? {} : { mode }) });
      expect({ fact, reads }).toEqual({ fact, reads: shows.includes(fact) ? everywhere(sought(fact)) : [] });
    }
  });

  it('that needs a session is refused outside one, with advice, and answered inside', async () => {
    for (const mode of ['session', 'audience']) {
      const refused = expectStatus(await ann.call('GET', `/graph/search?q=job&mode=${mode}`), 400);
      expect(refused.body.detail).toMatch(/session/i);
      expectStatus(await ann.call('GET', `/graph/search?q=job&mode=${mode}`, { session: shared }), 200);
    }
    expectStatus(await ann.call('GET', '/graph/search?q=job&mode=everything', { session: shared }), 400);
  });

  it('cannot be that of somebody else’s session', async () => {
    expectStatus(await ben.call('GET', '/graph/search?q=job', { session: other }), 403);
    expectStatus(await ben.call('GET', '/graph/search?q=job', { session: shared }), 200);
  });

  it('of a token bound to a session is that session’s alone, unless the token has graph:own', async () => {
    const bound = async (...permissions: string[]): Promise<Person> => {
      const body = { name: uniqueName('bound'), permissions, expires_in: 3600, session_id: shared };
      return ann.with(expectStatus(await ann.call('POST', '/auth/tokens', { body }), 201).body.token);
    };
    const narrow = await bound('graph:read');
    const wide = await bound('graph:read', 'graph:own');
    const shownTo = async (who: Person, mode?: string): Promise<string[]> => {
      const reads = await Promise.all(
        Object.keys(facts).map(async (fact) => {
          const shown = await readsThatShow(who, sought(fact), mode === undefined ? {} : { mode });
          return shown.length > 0 ? [fact] : [];
        }),
      );
      return reads.flat();
    };
    expect(await shownTo(narrow)).toEqual(['shared']);
    expect(await shownTo(narrow, 'session')).toEqual(['shared']);
    expectStatus(await narrow.call('GET', '/graph/search?q=job&mode=all'), 403);
    expectStatus(await wide.call('GET', '/graph/search?q=job&mode=all'), 200);
    expect(await shownTo(wide, 'session')).toEqual(['own', 'shared']);
    expect(await shownTo(wide, 'all')).toEqual(['own', 'shared', 'other', 'alone']);
  });
});

describe('one name in three memories', () => {
  const named = (who: Person, query: string, options: RequestOptions = {}) =>
    who.call('GET', `/graph/entities?name=Acme${query}`, options);

  it('is three entities: each is changed, merged and deleted alone, and the name is ambiguous (G5)', async () => {
    const { id: session } = await startSession(ann, [ben]);
    const make = (who: Person, where: RequestOptions, observation: string): Promise<Remembered> =>
      remember(who, { name: 'Acme', type: 'ORGANIZATION', observations: [observation] }, where);
    const [anns, bens, ours] = [
      await make(ann, {}, 'of Ann'),
      await make(ben, {}, 'of Ben'),
      await make(ben, { session }, 'of both'),
    ];
    expect(new Set([anns.id, bens.id, ours.id]).size).toBe(3);

    const ambiguous = expectStatus(await named(ann, '&mode=all'), 409);
    expect(ambiguous.body.errors).toHaveLength(2);
    for (const { id } of [anns, ours]) expect(ambiguous.text).toContain(id);
    expect(ambiguous.text).not.toContain(bens.id);
    expect(expectStatus(await named(ann, '', { session }), 200).body.id).toBe(ours.id);
    expect(expectStatus(await named(ben, '&session_id='), 200).body.id).toBe(bens.id);

    for (const path of [`/graph/entities/${bens.id}`, `/graph/entities/${bens.id}?mode=all`])
      expectStatus(await ann.call('GET', path, { session }), 404);
    expectStatus(await ann.call('PATCH', `/graph/entities/${bens.id}`, { body: { tags: ['x'] } }), 404);
    expectStatus(await ann.call('DELETE', `/graph/entities/${bens.id}`), 404);
    expectStatus(await ann.call('PATCH', `/graph/entities/${anns.id}`, { body: { tags: ['hers'] } }), 200);

    const company = await remember(ann, { name: 'Acme Ltd', observations: ['merged'] });
    expectStatus(await ann.call('POST', `/graph/entities/${anns.id}/merge`, { body: { into: company.id } }), 200);
    expectStatus(await ann.call('POST', `/graph/entities/${company.id}/merge`, { body: { into: bens.id } }), 404);
    expectStatus(await ann.call('DELETE', `/graph/entities/${company.id}`), 204);
    const after = expectStatus(await ben.call('GET', `/graph/entities/${bens.id}`), 200).body.entity;
    expect(after).toMatchObject({ name: 'Acme', tags: [], version: 1 });
    expect(after.observations.map((one: { content: string }) => one.content)).toEqual(['of Ben']);
    expectStatus(await ben.call('DELETE', `/graph/entities/${bens.id}`), 204);
    expect(expectStatus(await named(ann, '&mode=all'), 200).body.id).toBe(ours.id);
  });
});

describe('what somebody else wrote', () => {
  it('names its author and agent in every read, and the answer to a write says where the fact went (G35)', async () => {
    const { id: session } = await startSession(ben, [ann]);
    const body = { name: 'for the bot', agent: 'bot', permissions: ['graph:read', 'graph:write'], expires_in: 3600 };
    const agent = ben.with(expectStatus(await ben.call('POST', '/auth/tokens', { body }), 201).body.token);
    const [name, text] = [uniqueName('Ann'), 'pays to account 12'];
    const entity = await remember(agent, { name }, { session });
    const observations = [{ entity: { id: entity.id }, contents: [text], source: `${name} herself` }];
    const added = expectStatus(
      await agent.call('POST', '/graph/observations', { session, body: { observations } }),
      201,
    ).body.observations[0].observation;
    expect(added).toMatchObject({ author_id: ben.id, agent: 'bot', session_id: session, source: `${name} herself` });
    const got = expectStatus(await ann.call('GET', `/graph/entities/${entity.id}`, { session }), 200).body.entity;
    const whole = expectStatus(await ann.call('GET', '/graph?max_tokens=100000', { session }), 200).body.entities;
    const exported = expectStatus(await ann.call('GET', '/graph/export?format=json', { session }), 200).body.entities;
    for (const shown of [got, ...[whole, exported].map((all) => all.find((one: any) => one.name === name))]) {
      expect(shown).toMatchObject({ author_id: ben.id, agent: 'bot' });
      expect(shown.observations).toMatchObject([{ content: text, author_id: ben.id, agent: 'bot' }]);
    }
    const [found] = expectStatus(await ann.call('GET', `/graph/search?q=${name}`, { session }), 200).body.results;
    expect(found.entity).toMatchObject({ author_id: ben.id, agent: 'bot' });
    const near = expectStatus(await ann.call('GET', `/graph/entities/${entity.id}/neighbourhood`, { session }), 200);
    expect(near.body.entities[0]).toMatchObject({ author_id: ben.id, agent: 'bot' });

    const posted = async (entry: object): Promise<string | null> => {
      const entities = [{ type: 'TASK', name: uniqueName('note'), ...entry }];
      const answer = await ann.call('POST', '/graph/entities', { session, body: { entities } });
      return expectStatus(answer, 201).body.entities[0].entity.session_id;
    };
    expect(await posted({})).toBe(session);
    expect(await posted({ session_id: null })).toBe(null);
  });
});
