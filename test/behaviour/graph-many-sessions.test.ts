import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { isFull } from '../support/counts.ts';
import { everywhere, link, readsThatShow } from '../support/graph-reads.ts';
import { fewAtATime } from '../support/keyhold-process.ts';
import { expectStatus, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { remember } from '../support/remembered.ts';

/*
 * Somebody who is present in many sessions. With more than 64 of them, the scope of each row that was found is looked up,
 * instead of a list of all scopes in each statement.
 */

const sessionCount = 70;

interface Fact {
  readonly session: string;
  readonly id: string;
  readonly name: string;
  readonly from: { readonly id: string; readonly name: string };
}

let app: TestApp;
let ann: Person;
let ben: Person;
const facts: Fact[] = [];

const factIn = async (who: Person, session: string): Promise<Fact> => {
  const name = randomUUID();
  const [from, { id }] = [await remember(who, {}, { session }), await remember(who, { name }, { session })];
  await link(who, [from, 'about', { id }], { session });
  return { session, id, name, from };
};

beforeAll(async () => {
  app = await startApp();
  ({ ann, ben } = await people(app, await logInAdmin(app), 'ann', 'ben'));
  const made = await fewAtATime(Array.from({ length: sessionCount }), async () => {
    const { id } = await startSession(ben, [ann]);
    return await factIn(ben, id);
  });
  facts.push(...made);
}, 240_000);
afterAll(() => app.close());

describe('somebody who is present in many sessions', () => {
  it('sees the facts of each, in every read, and of those that they left nothing from then on', async () => {
    const [left, removed, ...rest] = facts as [Fact, Fact, ...Fact[]];
    for (const fact of [left, removed, ...rest.slice(0, 5)])
      expect({ fact, reads: await readsThatShow(ann, fact) }).toEqual({ fact, reads: everywhere(fact) });
    expectStatus(await ann.call('DELETE', `/sessions/${left.session}/participants/${ann.id}`), 204);
    expectStatus(await ben.call('DELETE', `/sessions/${removed.session}/participants/${ann.id}`), 204);
    for (const fact of [left, removed]) expect(await readsThatShow(ann, fact)).toEqual([]);
    for (const fact of rest.slice(0, 5)) expect(await readsThatShow(ann, fact)).toEqual(everywhere(fact));
  });

  it('sees nothing of a session in which only an edit of the database makes them present', async () => {
    const { id: session } = await startSession(ben);
    const fact = await factIn(ben, session);
    const { client } = app.database;
    const { rows } = await client.query('select * from session_participants where session_id = $1', [session]);
    const row = { ...rows[0], user_id: ann.id };
    const places = Object.keys(row).map((_, at) => `$${at + 1}`);
    await client.query(
      `insert into session_participants (${Object.keys(row).join(', ')}) values (${places.join(', ')})`,
      Object.values(row),
    );
    expect(await readsThatShow(ann, fact)).toEqual([]);
    expect(await readsThatShow(ben, fact)).toEqual(everywhere(fact));
  });

  it('shows others only what all who are present share with them, in mode audience', async () => {
    const { id: alone } = await startSession(ann);
    const own = await factIn(ann, alone);
    const shared = facts.at(-1) as Fact;
    const options = { session: shared.session, mode: 'audience' };
    expect(await readsThatShow(ann, own, options)).toEqual([]);
    expect(await readsThatShow(ann, facts.at(-2) as Fact, options)).toEqual(everywhere(shared));
  });

  // Hundreds of sessions take a while to make.
  it.runIf(isFull)(
    'searches the newest five hundred, and says that there are more',
    async () => {
      const asked = async (q: string) => expectStatus(await ben.call('GET', `/graph/search?q=${q}`), 200).body;
      const first = facts[0] as Fact;
      expect((await asked(first.name)).results).toHaveLength(1);
      await fewAtATime(Array.from({ length: 500 }), async () => await factIn(ben, (await startSession(ben)).id), 4);
      expect(await asked(first.name)).toEqual({ results: [], truncated: true });
      const here = await ben.call('GET', `/graph/search?q=${first.name}&mode=all`, { session: first.session });
      expect(expectStatus(here, 200).body.results[0].entity.id).toBe(first.id);
    },
    600_000,
  );
});
