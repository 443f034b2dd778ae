import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, logIn, logInAdmin, type Person, password, people } from '../support/people.ts';

const quarter = 15 * 60_000;
const wrong = 'a wrong password';

let app: TestApp;
let admin: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  await people(app, admin, 'ada', 'bob', 'cyd', 'dan', 'eve');
});
afterAll(() => app.close());

const attempt = (username: string, secret = wrong): Promise<Answer<any>> =>
  app.call('POST', '/auth/login', { body: { username, password: secret } });

const fail = async (times: number, username: string): Promise<void> => {
  for (let time = 0; time < times; time += 1) expectStatus(await attempt(username), 401);
};

const expectLimited = (answer: Answer<any>): void => {
  expect(expectStatus(answer, 429).body.code).toBe('rate_limited');
  const seconds = Number(answer.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(900);
};

describe('failed logins', () => {
  // Each test begins with a new window of 15 minutes.
  const newWindow = (): void => app.clock.advance(quarter);

  it('ten failed logins close an account for the rest of the 15 minutes, and no other account', async () => {
    newWindow();
    await fail(10, 'ada');
    expectLimited(await attempt('ada', password));
    expectStatus(await attempt('bob', password), 200);
    app.clock.advance(quarter - 1000);
    expectLimited(await attempt('ada', password));
    app.clock.advance(1000);
    expectStatus(await attempt('ada', password), 200);
  });

  it('failed logins count for one account however its name is written', async () => {
    newWindow();
    for (const name of ['ada', 'ADA', 'Ada', 'ａｄａ', 'aDa']) await fail(2, name);
    expectLimited(await attempt('ada', password));
    expectStatus(await attempt('bob', password), 200);
  });

  it('failed logins of an account are forgotten after a successful one', async () => {
    newWindow();
    await fail(9, 'bob');
    expectStatus(await attempt('bob', password), 200);
    await fail(9, 'bob');
    expectStatus(await attempt('bob', password), 200);
  });

  it('failed logins close an account that does not exist in the same way', async () => {
    newWindow();
    await fail(10, 'nobody');
    expectLimited(await attempt('nobody'));
  });

  it('fifty failed logins close an address for the rest of the 15 minutes, whichever accounts they were for', async () => {
    newWindow();
    for (let account = 0; account < 5; account += 1) await fail(9, `nobody-${account}`);
    expectStatus(await attempt('cyd', password), 200);
    await fail(5, 'dan');
    expectLimited(await attempt('cyd', password));
    expectLimited(await attempt('nobody-9'));
    newWindow();
    expectStatus(await attempt('cyd', password), 200);
  });

  it('of twenty simultaneous attempts ten are tried and ten are turned away', async () => {
    newWindow();
    const answers = await Promise.all(Array.from({ length: 20 }, () => attempt('eve')));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array<number>(10).fill(401), ...Array<number>(10).fill(429)]);
  });

  it.each([
    ['a login does not count as failed if the password could not be checked', 'users', 5],
    ['a failed login stays counted if the database fails after it', 'audit_log', 1],
  ])('%s', async (_what, table, left) => {
    newWindow();
    await fail(5, 'dan');
    await app.database.client.query(`begin; lock table ${table} in access exclusive mode`);
    const untold = await Promise.all(Array.from({ length: 4 }, () => attempt('dan')));
    await app.database.client.query('rollback');
    for (const answer of untold) expectStatus(answer, 503);
    await fail(left, 'dan');
    expectLimited(await attempt('dan', password));
  });

  it('failed logins from a closed address close no account', async () => {
    newWindow();
    for (let account = 0; account < 6; account += 1) await fail(account === 5 ? 5 : 9, `elsewhere-${account}`);
    for (let time = 0; time < 12; time += 1) expectLimited(await attempt('cyd'));
    await app.database.client.query('delete from login_failures where failures > 20');
    expectStatus(await attempt('cyd', password), 200);
  });

  it('logins that were turned away are recorded as a count', async () => {
    const other = await startApp();
    const body = { username: 'nobody', password: wrong };
    const answers: number[] = [];
    for (let time = 0; time < 13; time += 1) answers.push((await other.call('POST', '/auth/login', { body })).status);
    expect(answers.filter((status) => status === 429)).toHaveLength(3);
    // What was turned away is written each minute, and at the end.
    await other.app.close();
    const { rows } = await other.database.client.query(
      "select outcome, details->>'count' as count from audit_log where action = 'request.limited'",
    );
    expect(rows).toEqual([{ outcome: 'refused', count: '3' }]);
    await other.db.close();
    await other.database.drop();
  });

  it('every refused login leaves one record with its cause, and nothing of what was typed', async () => {
    newWindow();
    const person = await logIn(app, 'cyd');
    const { client } = app.database;
    const recordsOf = async (answer: Answer<any>) =>
      (
        await client.query(
          `select action, outcome, reason, actor_id, target_type, target_id, audit_log::text as whole
           from audit_log where request_id = $1`,
          [answer.body.request_id],
        )
      ).rows;
    const typed = 'Zq7-typed-by-mistake';
    const root = await logInAdmin(app);
    const change = { current_password: typed, new_password: 'a password that is new' };
    const disabled = (await people(app, root, 'fay')).fay;
    expectStatus(await root.call('PATCH', `/users/${disabled.id}`, { body: { status: 'disabled' } }), 200);
    const refused = { outcome: 'refused', target_type: 'user' };
    const cases: readonly [Answer<any>, object][] = [
      [
        await attempt('cyd', typed),
        { ...refused, action: 'login.refused', reason: 'wrong_password', actor_id: person.id, target_id: person.id },
      ],
      [
        await attempt(typed, typed),
        {
          ...refused,
          action: 'login.refused',
          reason: 'unknown_user',
          actor_id: null,
          target_type: null,
          target_id: null,
        },
      ],
      [
        await attempt('fay', password),
        { ...refused, action: 'login.refused', reason: 'disabled', actor_id: disabled.id, target_id: disabled.id },
      ],
      [
        await person.call('POST', `/users/${person.id}/password`, { body: change }),
        {
          ...refused,
          action: 'user.password_change',
          reason: 'login_failed',
          actor_id: person.id,
          target_id: person.id,
        },
      ],
    ];
    for (const [answer, expected] of cases) {
      expectStatus(answer, 401);
      const records = await recordsOf(answer);
      expect(records.map(({ whole: _whole, ...rest }) => rest)).toEqual([expected]);
      expect(records[0].whole).not.toContain(typed);
    }
    const newest = async () => (await client.query('select max(id::text) as id from audit_log')).rows[0].id;
    const before = await newest();
    expectStatus(await attempt('cyd', password), 200);
    const { rows } = await client.query('select action, outcome, actor_id from audit_log where id::text > $1', [
      before,
    ]);
    expect(rows).toEqual([{ action: 'login.create', outcome: 'allowed', actor_id: person.id }]);
  });

  it('the answers to a wrong password, an unknown user and a disabled user are the same', async () => {
    newWindow();
    const { eve } = { eve: await logIn(app, 'eve') };
    expectStatus(
      await admin
        .with((await logInAdmin(app)).token)
        .call('PATCH', `/users/${eve.id}`, { body: { status: 'disabled' } }),
      200,
    );
    const texts = [await attempt('ada'), await attempt('nobody-at-all'), await attempt('eve', password)].map((answer) =>
      expectStatus(answer, 401).text.replace(/"request_id":"[^"]*"/, ''),
    );
    expect(new Set(texts).size).toBe(1);
    expectStatus(await attempt('ada', password), 200);
  });
});

describe('a password', () => {
  let made = 0;
  const create = async (secret: string): Promise<{ answer: Answer<any>; username: string }> => {
    made += 1;
    const username = `new-${made}`;
    const { token } = await logInAdmin(app);
    return { answer: await app.call('POST', '/users', { token, body: { username, password: secret } }), username };
  };

  it.each([
    ['12 characters', 'x'.repeat(12)],
    ['128 characters', 'x'.repeat(128)],
    ['12 characters of four bytes each', '😀'.repeat(12)],
    ['nothing but spaces', ' '.repeat(12)],
    ['the word password in it', 'password1234'],
  ])('a password may have %s', async (_what, secret) => {
    const { answer, username } = await create(secret);
    expectStatus(answer, 201);
    expectStatus(await attempt(username, secret), 200);
    expectStatus(await attempt(username, `${secret}.`), 401);
  });

  it.each([
    ['11 characters', 'x'.repeat(11)],
    ['11 characters that have 22 code units', '😀'.repeat(11)],
    ['129 characters', 'x'.repeat(129)],
    ['none', ''],
  ])('a password may not have %s', async (_what, secret) => {
    const { answer, username } = await create(secret);
    expect(expectStatus(answer, 400).body.errors).toMatchObject([{ field: expect.stringContaining('password') }]);
    expectStatus(await attempt(username, secret === '' ? 'x' : secret), 401);
  });

  it('users change their password only with the current one, and that ends their other logins', async () => {
    const first = await logIn(app, 'bob');
    const second = await logIn(app, 'bob');
    const change = (current: string | undefined, next = 'another password') =>
      first.call('POST', `/users/${first.id}/password`, {
        body: { ...(current === undefined ? {} : { current_password: current }), new_password: next },
      });
    expectStatus(await change(undefined), 400);
    expectStatus(await change(wrong), 401);
    expectStatus(await change(password, 'too short'), 400);
    expectStatus(await second.call('GET', '/auth/me'), 200);
    expectStatus(await change(password), 200);
    expectStatus(await first.call('GET', '/auth/me'), 200);
    expectStatus(await second.call('GET', '/auth/me'), 401);
    expectStatus(await attempt('bob', password), 401);
    expectStatus(await attempt('bob', 'another password'), 200);
  });

  it('only an administrator sets the password of another user', async () => {
    const ada = await logIn(app, 'ada');
    const cyd = await logIn(app, 'cyd');
    const set = (who: Person) =>
      who.call('POST', `/users/${cyd.id}/password`, {
        body: { current_password: password, new_password: 'taken over!!' },
      });
    expectStatus(await set(ada), 403);
    expectStatus(await attempt('cyd', password), 200);
    expectStatus(await set(await logInAdmin(app)), 200);
    expectStatus(await attempt('cyd', 'taken over!!'), 200);
  });
});
