import { afterEach, beforeEach, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus, logIn, logInAdmin, type Person, people, uniqueName } from '../support/people.ts';

const dayMs = 24 * 3_600_000;

let app: TestApp;
let ada: Person;
let grace: Person;

beforeEach(async () => {
  app = await startApp({ clock: settableClock(new Date(Date.now() + 3_600_000)) });
  ({ ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace'));
});
afterEach(() => app.close());

const create = async (owner: Person, fields: object = {}): Promise<string> => {
  const body = { name: uniqueName(), type: 'password', value: 'pw', ...fields };
  return expectStatus(await owner.call('POST', '/secrets', { body }), 201).body.id;
};

const inDays = (days: number): string => new Date(app.clock.now().getTime() + days * dayMs).toISOString();

const statsOf = async (person: Person) => expectStatus(await person.call('GET', '/secrets/stats'), 200).body;
const ids = (list: { first: { id: string }[] }): string[] => list.first.map(({ id }) => id);

it('the stats name what expires or has to be rotated soon, the next first, and nothing that does not', async () => {
  const late = await create(ada, { expires_at: inDays(13) });
  const soon = await create(ada, { expires_at: inDays(2), rotate_after: inDays(1) });
  await create(ada, { expires_at: inDays(15), rotate_after: inDays(30) });
  const inactive = await create(ada, { expires_at: inDays(1) });
  expectStatus(await ada.call('POST', `/secrets/${inactive}/deactivate`), 200);
  const stats = await statsOf(ada);
  expect([ids(stats.expiring), stats.expiring.count]).toEqual([[soon, late], 2]);
  expect(ids(stats.rotation_due)).toEqual([soon]);
});

it('the stats name what nobody revealed for 90 days; a reveal by a grantee is a use', async () => {
  const [idle, used, borrowed, read] = [await create(ada), await create(ada), await create(ada), await create(ada)];
  for (const id of [idle, borrowed])
    expectStatus(await ada.call('POST', `/secrets/${id}/share`, { body: { username: 'grace' } }), 200);
  expectStatus(await ada.call('GET', `/secrets/${read}/value`), 200);
  app.clock.advance(91 * dayMs);
  [ada, grace] = [await logIn(app, 'ada'), await logIn(app, 'grace')];
  await create(ada);
  expectStatus(await ada.call('GET', `/secrets/${used}/value`), 200);
  expectStatus(await grace.call('GET', `/secrets/${borrowed}/value`), 200);
  expect(ids((await statsOf(ada)).unused).sort()).toEqual([idle, read].sort());
  // Whether others use their secrets is theirs to know.
  expect((await statsOf(grace)).unused).toEqual({ count: 0, first: [] });
});

it('the stats say with whom how much is shared, and count only rows that are intact', async () => {
  const [one, two] = [await create(ada), await create(ada)];
  for (const id of [one, two])
    expectStatus(await ada.call('POST', `/secrets/${id}/share`, { body: { username: 'grace' } }), 200);
  expect((await statsOf(ada)).shared_with).toEqual({
    count: 1,
    first: [{ user_id: grace.id, username: 'grace', secrets: 2 }],
  });
  expect((await statsOf(grace)).shared_with).toEqual({ count: 0, first: [] });
  await app.database.client.query(`update secrets set description = 'changed' where id = $1`, [one]);
  for (const person of [ada, grace]) expect((await statsOf(person)).total).toBe(1);
  expect((await statsOf(ada)).shared_with.first).toMatchObject([{ secrets: 1 }]);
});

it('the stats count more secrets than fit on a page, each once', async () => {
  const items = Array.from({ length: 450 }, () => ({
    name: uniqueName(),
    type: 'other',
    value: 'v',
    expires_at: inDays(5),
  }));
  expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
  const stats = await statsOf(ada);
  expect([stats.total, stats.by_type, stats.expiring.count, stats.expiring.first.length]).toEqual([
    450,
    { other: 450 },
    450,
    20,
  ]);
});
