import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grow } from '../../bench/grow.ts';
import { plansOf, statementsOf } from '../../bench/plans.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, startSession } from '../support/people.ts';

const owners = 49;
const each = 1000;
const own = 1000;

/** More rows than any of these requests has to look at; any scan of 50,000 secrets or 2,000 users has more. */
const fewEnough = 300;
/** A filter may have to look at everything of one's own, and at nothing of others. */
const allOfOnesOwn = own + 50;

describe('with 50,000 secrets and 2,000 users', () => {
  let app: TestApp;
  let ada: Person;
  let grace: Person;
  let ids: string[];
  let session: string;

  beforeAll(async () => {
    app = await startApp({ env: { KEYHOLD_DATABASE_CONNECTIONS: '5' } });
    ({ ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace'));
    const items = Array.from({ length: own }, (_, at) => ({
      name: `OWN_${at}`,
      type: 'token',
      value: 'v',
      tags: ['a'],
    }));
    const body = { items, on_conflict: 'fail' };
    const imported = expectStatus(await ada.call('POST', '/secrets/import', { body }), 201).body;
    ids = imported.items.map((one: { id: string }) => one.id);
    session = (await startSession(ada, [grace], { external_id: 'grown' })).id;
    await keepSecret(ada, { scope: 'session', session_id: session });
    for (const id of ids.slice(0, 20)) {
      expectStatus(await ada.call('POST', `/secrets/${id}/share`, { body: { user_id: grace.id } }), 200);
    }
    // The others come afterwards, so that their secrets are newer: a scan in the order of ids meets all of them first.
    await grow({ ...app, database: app.db, users: 2000, owners, secretsEach: each });
    await app.database.client.query('analyze');
  }, 240_000);
  afterAll(() => app.close());

  const requests: readonly [string, () => Promise<{ status: number }>, number?][] = [
    ['a page of one’s own', () => ada.call('GET', '/secrets?limit=50')],
    [
      'the next page',
      async () => {
        const { body } = await ada.call('GET', '/secrets?limit=50');
        return await ada.call('GET', `/secrets?limit=50&cursor=${body.next_cursor}`);
      },
    ],
    ['a page by type and owner', () => ada.call('GET', '/secrets?limit=50&type=token&owner=me'), allOfOnesOwn],
    ['a page of what is shared', () => grace.call('GET', '/secrets?limit=50&scope=shared')],
    ['a page in a session', () => grace.call('GET', '/secrets?limit=50', { session: 'grown' })],
    ['one secret', () => ada.call('GET', `/secrets/${ids[0]}`)],
    ['a reveal', () => ada.call('GET', `/secrets/${ids[0]}/value`)],
    ['a reveal by a grantee', () => grace.call('GET', `/secrets/${ids[0]}/value`)],
    ['a reveal of 100', () => ada.call('POST', '/secrets/reveal', { body: { ids: ids.slice(0, 100) } })],
    ['a reveal by name', () => ada.call('POST', '/secrets/reveal', { body: { names: ['OWN_7'] } })],
    ['sharing', () => ada.call('POST', `/secrets/${ids[30]}/share`, { body: { user_id: grace.id } })],
    ['sharing by name', () => ada.call('POST', `/secrets/${ids[31]}/share`, { body: { username: 'grace' } })],
    ['who can reach it', () => ada.call('GET', `/secrets/${ids[0]}/access`)],
    ['creating one', () => ada.call('POST', '/secrets', { body: { name: 'NEW', type: 'token', value: 'v' } })],
    ['logging in', () => app.call('POST', '/auth/login', { body: { username: 'grace', password: 'x'.repeat(12) } })],
  ];

  it.each(requests)('%s reads few rows', async (_what, request, most = fewEnough) => {
    const sent = await statementsOf(async () => expect((await request()).status).toBeLessThan(402));
    const plans = await plansOf(app.database.client, sent);
    expect(plans.length).toBeGreaterThan(1);
    const far = plans.flatMap(({ text, looked }) =>
      looked.filter(({ rows }) => rows > most).map((look) => ({ text, ...look })),
    );
    expect(far).toEqual([]);
  });

  it('a statement that reads many rows would be found', async () => {
    const sent = [{ text: 'select id from secrets where description = $1', values: ['nothing'] }];
    const [plan] = await plansOf(app.database.client, sent);
    expect(plan?.looked).toEqual([{ table: 'secrets', by: 'Seq Scan', rows: expect.any(Number) }]);
    expect(plan?.looked[0]?.rows).toBeGreaterThan(owners * each + own);
  });
});
