import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus, lasting, logInAdmin, type Person, people, startSession, uniqueName } from '../support/people.ts';
import { storeAs } from '../support/stored-rows.ts';
import { tableContents } from '../support/table-contents.ts';

const hourMs = 3_600_000;

let app: TestApp;
let ada: Person;
let grace: Person;
let linus: Person;

beforeEach(async () => {
  app = await startApp({ clock: settableClock(new Date(Date.now() + hourMs)), movesDatabaseClock: true });
  const made = await people(app, await logInAdmin(app), 'ada', 'grace', 'linus');
  ada = await lasting(made.ada);
  grace = await lasting(made.grace);
  linus = await lasting(made.linus);
});
afterEach(() => app.close());

/** What became due until now is done. */
const hours = async (count: number): Promise<void> => {
  app.clock.advance(count * hourMs);
  await app.app.sweeper.nudge();
};

/** Ada's session, which the others have joined. */
const start = async (fields: object = {}): Promise<string> => {
  const body = { participants: [grace.id, linus.id], ...fields };
  const { id } = expectStatus(await ada.call('POST', '/sessions', { body }), 201).body;
  for (const person of [grace, linus]) expectStatus(await person.call('POST', `/sessions/${id}/join`), 200);
  return id;
};

const lend = async (owner: Person, session: string, value: string): Promise<string> => {
  const body = { name: uniqueName(), type: 'password', value, scope: 'session', session_id: session };
  return expectStatus(await owner.call('POST', '/secrets', { body }), 201).body.id;
};

const end = async (session: string): Promise<any> =>
  expectStatus(await ada.call('POST', `/sessions/${session}/end`), 200).body;

const exists = async (id: string): Promise<boolean> =>
  (await app.database.client.query('select 1 from secrets where id = $1', [id])).rows.length === 1;

/** The encrypted values and earlier versions of these secrets. */
const ciphertexts = async (ids: readonly string[]): Promise<string[]> => {
  const { rows } = await app.database.client.query(
    `select encrypted_value from secrets where id = any($1::uuid[])
      union all select encrypted_value from secret_versions where secret_id = any($1::uuid[])`,
    [ids],
  );
  return rows.map(({ encrypted_value }) => encrypted_value);
};

const told = async (type: string): Promise<Record<string, number>> => {
  const { rows } = await app.database.client.query(
    `select u.username, count(*)::int from events e join users u on u.id = e.user_id where type = $1 group by 1`,
    [type],
  );
  return Object.fromEntries(rows.map(({ username, count }) => [username, count]));
};

describe('after a session’s end', () => {
  it('each owner has the grace period to take their secrets out, and then exactly the others are erased', async () => {
    const session = await start();
    const values = { ada: 'canary-of-ada', grace: 'canary-of-grace', linus: 'canary-of-linus', moved: 'canary-moved' };
    const [ofAda, ofGrace, ofLinus] = [
      await lend(ada, session, values.ada),
      await lend(grace, session, values.grace),
      await lend(linus, session, values.linus),
    ];
    const moved = await lend(grace, session, values.moved);
    const keptToken = await ciphertexts([moved]);
    expectStatus(await grace.call('PUT', `/secrets/${ofGrace}/value`, { body: { value: 'canary-newer' } }), 200);
    const erasedTokens = await ciphertexts([ofAda, ofGrace, ofLinus]);
    expect(erasedTokens).toHaveLength(4);
    // One leaves before the end; what they lent stays theirs, in the session, and goes with it.
    expectStatus(await linus.call('DELETE', `/sessions/${session}/participants/${linus.id}`), 204);
    const ended = await end(session);
    expect(new Date(ended.erase_after).getTime()).toBe(app.clock.now().getTime() + 24 * hourMs);
    expect((await grace.call('GET', `/secrets/${ofAda}/value`, { session })).status).toBe(403);
    await hours(23.9);
    expectStatus(await grace.call('POST', `/secrets/${moved}/transfer`, { body: { scope: 'user' } }), 200);
    expect(await Promise.all([ofAda, ofGrace, ofLinus].map(exists))).toEqual([true, true, true]);
    await hours(0.1);
    await hours(24);
    expect(await Promise.all([ofAda, ofGrace, ofLinus, moved].map(exists))).toEqual([false, false, false, true]);
    const everything = [...(await tableContents(app.database)).values()].join('\n');
    expect(erasedTokens.filter((token) => everything.includes(token))).toEqual([]);
    expect(keptToken.filter((token) => everything.includes(token))).toEqual(keptToken);
    expect((await grace.call('GET', `/secrets/${moved}/value`)).body.value).toBe(values.moved);
    for (const [person, id] of [
      [ada, ofAda],
      [grace, ofGrace],
      [linus, ofLinus],
    ] as const)
      expect((await person.call('GET', `/secrets/${id}`)).status).toBe(404);
    expect(await told('session.ended')).toEqual({ ada: 1, grace: 1, linus: 1 });
    expect(await told('secret.purged')).toEqual({ ada: 1, grace: 1, linus: 1 });
    const shown = expectStatus(await grace.call('GET', `/sessions/${session}`), 200).body;
    expect([shown.status, shown.cleaned_up_at === null]).toEqual(['ended', false]);
    expect((await linus.call('GET', `/sessions/${session}`)).status).toBe(403);
  });

  it('the preview says what would be erased, and afterwards each owner sees their own', async () => {
    const session = await start();
    const [mine, theirs] = [await lend(ada, session, 'a'), await lend(grace, session, 'b')];
    const preview = async (person: Person) =>
      expectStatus(await person.call('GET', `/sessions/${session}/cleanup`), 200).body;
    const before = await preview(ada);
    expect([before.erase_after, before.grace_seconds]).toEqual([null, 86_400]);
    expect(before.secrets.map(({ id }: { id: string }) => id).sort()).toEqual([mine, theirs].sort());
    const { erase_after } = await end(session);
    const after = await preview(grace);
    expect([after.erase_after, after.secrets.map(({ id }: { id: string }) => id)]).toEqual([erase_after, [theirs]]);
  });

  it('an owner finds a secret of theirs by its name, moves and deletes it', async () => {
    const session = await start();
    const [one, other] = [await lend(grace, session, 'a'), await lend(grace, session, 'b')];
    const name = (await grace.call('GET', `/secrets/${one}`)).body.name;
    await end(session);
    const listed = expectStatus(await grace.call('GET', `/secrets?name=${name}`), 200).body.secrets;
    expect(listed.map(({ id }: { id: string }) => id)).toEqual([one]);
    expectStatus(await grace.call('POST', `/secrets/${one}/transfer`, { body: { scope: 'user' } }), 200);
    expectStatus(await grace.call('DELETE', `/secrets/${other}?purge=true`), 204);
  });

  it('a session that ended under an earlier version begins its grace period when its participants are told', async () => {
    const session = await start();
    const id = await lend(grace, session, 'a');
    await end(session);
    await storeAs(app, 'sessions', session, { erase_after: null });
    await hours(0);
    expect(await exists(id)).toBe(true);
    await hours(23.9);
    expect(await exists(id)).toBe(true);
    await hours(0.1);
    expect(await exists(id)).toBe(false);
  });

  it('nothing is erased because a row was changed to say that its time has come', async () => {
    const session = await start();
    const id = await lend(grace, session, 'a');
    await end(session);
    await app.database.client.query(`update sessions set erase_after = '2020-01-01' where id = $1`, [session]);
    await hours(48);
    expect(await exists(id)).toBe(true);
  });

  it('more secrets than a batch are erased, and other sessions beside a broken one', async () => {
    const [broken, full] = [await start(), await start()];
    const kept = await lend(ada, broken, 'a');
    const items = Array.from({ length: 230 }, () => ({
      ...{ name: uniqueName(), type: 'password', value: 'v' },
      ...{ scope: 'session', session_id: full },
    }));
    expectStatus(await grace.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
    await end(broken);
    await end(full);
    await app.database.client.query(`update sessions set title = 'changed' where id = $1`, [broken]);
    await hours(25);
    const { rows } = await app.database.client.query('select id from secrets');
    expect(rows).toEqual([{ id: kept }]);
  });

  it('more broken rows than a batch has keep no other secret of the session', async () => {
    const session = await start();
    const items = Array.from({ length: 103 }, () => ({
      ...{ name: uniqueName(), type: 'password', value: 'v' },
      ...{ scope: 'session', session_id: session },
    }));
    expectStatus(await grace.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
    await app.database.client.query(`update secrets set description = 'changed' where id in
      (select id from secrets order by id limit 101)`);
    await end(session);
    await hours(25);
    const { rows } = await app.database.client.query(
      'select count(*)::int as count, count(description)::int as broken from secrets',
    );
    expect(rows).toEqual([{ count: 101, broken: 101 }]);
  });

  it('of its erased owner, the others are told, and have the grace period from then on', async () => {
    const admin = await logInAdmin(app);
    const { dora } = await people(app, admin, 'dora');
    const { id: session } = await startSession(dora, [grace]);
    const id = await lend(grace, session, 'a');
    expectStatus(await admin.call('DELETE', `/users/${dora.id}`), 200);
    await hours(0);
    expect(await told('session.ended')).toEqual({ grace: 1 });
    const shown = expectStatus(await grace.call('GET', `/sessions/${session}`), 200).body;
    expect(shown.erase_after).toBe(new Date(app.clock.now().getTime() + 24 * hourMs).toISOString());
    await hours(23.9);
    expect(await exists(id)).toBe(true);
    await hours(0.1);
    expect(await exists(id)).toBe(false);
    const { rows } = await app.database.client.query('select type from events where user_id = $1', [dora.id]);
    expect(rows).toEqual([]);
  });
});

describe('a session that ends by itself', () => {
  it('ends at its time, for everybody at once, and its grace period begins when they are told', async () => {
    const expires_at = new Date(app.clock.now().getTime() + 2 * hourMs).toISOString();
    const session = await start({ expires_at });
    const id = await lend(grace, session, 'a');
    app.clock.advance(2 * hourMs);
    expect((await linus.call('GET', '/secrets', { session })).status).toBe(403);
    await hours(0);
    const shown = expectStatus(await ada.call('GET', `/sessions/${session}`), 200).body;
    expect([shown.status, shown.ended_at]).toEqual(['ended', expires_at]);
    expect(await told('session.ended')).toEqual({ ada: 1, grace: 1, linus: 1 });
    await hours(24);
    expect(await exists(id)).toBe(false);
  });

  it('ends when no request has named it for as long as its owner said, and not while one does', async () => {
    const session = await start({ idle_after: 3 * 3600 });
    const idle = await start({ idle_after: 3 * 3600 });
    for (let count = 0; count < 3; count += 1) {
      await hours(2);
      expectStatus(await grace.call('GET', '/secrets', { session }), 200);
    }
    expect((await grace.call('GET', '/secrets', { session: idle })).status).toBe(403);
    const statusOf = async (id: string) => (await ada.call('GET', `/sessions/${id}`)).body.status;
    expect([await statusOf(session), await statusOf(idle)]).toEqual(['active', 'ended']);
    await hours(3);
    expect(await statusOf(session)).toBe('ended');
  });

  it('ends also beside one in which somebody wrote an impossible time of activity', async () => {
    const [broken, session] = [await start({ idle_after: 7200 }), await start({ idle_after: 7200 })];
    await app.database.client.query(
      `update sessions set last_active_at = '294276-12-31T23:59:59Z', idle_after = 2147483647 where id = $1`,
      [broken],
    );
    await hours(3);
    const { rows } = await app.database.client.query('select status from sessions where id = $1', [session]);
    expect(rows).toEqual([{ status: 'ended' }]);
  });

  it('does not end by idleness unless its owner wants it, or after they no longer do', async () => {
    const [plain, changed] = [await start(), await start({ idle_after: 7200 })];
    expectStatus(await ada.call('PATCH', `/sessions/${changed}`, { body: { idle_after: null } }), 200);
    await hours(1000);
    for (const session of [plain, changed]) expectStatus(await ada.call('GET', '/secrets', { session }), 200);
    const refused = await ada.call('PATCH', `/sessions/${changed}`, { body: { idle_after: 60 } });
    expect(refused.status).toBe(400);
  });

  it('notes its activity once an hour and not with every request', async () => {
    const session = await start({ idle_after: 7200 });
    const at = async () => (await ada.call('GET', `/sessions/${session}`)).body.last_active_at;
    const first = await at();
    app.clock.advance(0.9 * hourMs);
    await grace.call('GET', '/secrets', { session });
    expect(await at()).toBe(first);
    app.clock.advance(0.1 * hourMs);
    await grace.call('GET', '/secrets', { session });
    expect(await at()).toBe(app.clock.now().toISOString());
  });
});
