import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people, startSession } from '../support/people.ts';

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;

beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
  // From the second one on, the owner's key is known and secrets are created in one statement.
  for (const person of [ada, grace]) await keepSecret(person, { name: 'FIRST' });
});
afterAll(() => app.close());

const create = (person: Person, name: string) =>
  person.call('POST', '/secrets', { body: { name, type: 'other', value: `value of ${name}` } });

const kept = async (name: string): Promise<number> =>
  (await app.database.client.query('select count(*)::int as n from secrets where name = $1', [name])).rows[0].n;

const recordsOf = async (id: string): Promise<{ action: string; outcome: string }[]> =>
  (await app.database.client.query('select action, outcome from audit_log where target_id = $1', [id])).rows;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Sends a creation, and does something else once it waits to write, before it looks at its credential again. */
const whileItWaits = async (person: Person, name: string, meanwhile: () => Promise<unknown>) => {
  const { client } = app.database;
  await client.query('begin');
  // The statement takes its locks on tables first. What `meanwhile` does writes no secret.
  await client.query('lock table secrets in share row exclusive mode');
  const answer = create(person, name);
  // Not pg_stat_activity, which a transaction sees as it was when it first looked.
  const waits = async () => (await client.query('select count(*)::int as n from pg_locks where not granted')).rows[0].n;
  try {
    // It waits for a lock for two seconds at most.
    await expect.poll(waits, { timeout: 1800 }).toBeGreaterThan(0);
    await meanwhile();
  } finally {
    await client.query('rollback');
  }
  return await answer;
};

const withToken = async (person: Person, expires_in = 3600): Promise<Person> => {
  const permissions = ['secrets:write', 'secrets:list', 'secrets:own'];
  const body = { name: `valid for ${expires_in} s`, permissions, expires_in };
  return person.with(expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body.token);
};

describe('a secret that is created in one statement', () => {
  it('a secret that one statement created is answered as it is read afterwards, and leaves one record', async () => {
    const body = {
      name: 'WHOLE',
      type: 'api_key',
      value: 'v',
      tags: ['a', 'b'],
      description: 'said',
      metadata: { one: 1, more: { two: [2] } },
      expires_at: '2999-01-02T03:04:05.678Z',
    };
    const created = expectStatus(await ada.call('POST', '/secrets', { body }), 201).body;
    const read = expectStatus(await ada.call('GET', `/secrets/${created.id}`), 200).body;
    expect(created).toEqual(read);
    expect(await recordsOf(created.id)).toEqual([
      { action: 'secret.create', outcome: 'allowed' },
      { action: 'secret.get', outcome: 'allowed' },
    ]);
  });

  it('no secret is created when its user is disabled between gate and write', async () => {
    const agent = await withToken(grace);
    expectStatus(await whileItWaits(agent, 'UNDISTURBED', async () => undefined), 201);
    const refused = await whileItWaits(agent, 'DISTURBED', async () => {
      expectStatus(await admin.call('PATCH', `/users/${grace.id}`, { body: { status: 'disabled' } }), 200);
    });
    expectStatus(refused, 401);
    expect([await kept('UNDISTURBED'), await kept('DISTURBED')]).toEqual([1, 0]);
    expectStatus(await admin.call('PATCH', `/users/${grace.id}`, { body: { status: 'active' } }), 200);
    grace = await logIn(app, 'grace');
  });

  it('no secret is created when its token expires by the database’s clock while the creation waits to write', async () => {
    const lasting = await withToken(ada);
    /** A token of one second by both clocks. The service's then stands still, so that it never sees the token expire. */
    const shortLived = async (): Promise<Person> => {
      app.clock.advance(Date.now() - app.clock.now().getTime());
      return await withToken(ada, 1);
    };
    const expired = async () => {
      const { rows } = await app.database.client.query(
        "select bool_and(expires_at <= clock_timestamp()) as over from tokens where name = 'valid for 1 s'",
      );
      return rows[0].over;
    };
    const untilExpired = () => expect.poll(expired, { timeout: 1800, interval: 20 }).toBe(true);
    /** Holds a creation up past the expiry of a token. On a slow machine it may come too late to be held up, or wait too long. */
    const heldUp = async (name: string, by: (expiring: Person) => Person, attempts = 10): Promise<number> => {
      const { status } = await whileItWaits(by(await shortLived()), name, untilExpired).catch(() => ({ status: 503 }));
      return status === 503 && attempts > 1 ? await heldUp(`${name}_AGAIN`, by, attempts - 1) : status;
    };
    expect(await heldUp('TOO_LATE', (expiring) => expiring)).toBe(401);
    expect(await heldUp('IN_TIME', () => lasting)).toBe(201);
    const { rows } = await app.database.client.query("select 1 from secrets where name like 'TOO#_LATE%' escape '#'");
    expect(rows).toEqual([]);
  });

  it('no secret is created in a session that the caller lost meanwhile, even behind other creations that wait', async () => {
    const agent = await withToken(ada);
    const { client } = app.database;
    /** On a slow machine the lock may be held for too long, which is answered with 503. */
    const statuses = async (round: number): Promise<number[]> => {
      const session = await startSession(grace, [ada]);
      await client.query('begin');
      await client.query('select 1 from tokens where user_id = $1 for update', [ada.id]);
      const answers: Promise<{ status: number }>[] = [];
      const ask = (name: string, where: object = {}) => {
        const body = { name: `${name}_${round}`, type: 'other', value: 'v' };
        answers.push(agent.call('POST', '/secrets', { body, ...where }));
      };
      try {
        // The first ones are under way and wait; what comes then is written with the next.
        for (const name of ['AHEAD_1', 'AHEAD_2']) {
          ask(name);
          await pause(100);
        }
        ask('PLAIN');
        ask('IN_THE_SESSION', { session: session.id });
        await pause(300);
        expectStatus(await grace.call('DELETE', `/sessions/${session.id}/participants/${ada.id}`), 204);
      } finally {
        await client.query('rollback');
      }
      const found = (await Promise.all(answers)).map(({ status }) => status);
      return found.includes(503) && round < 5 ? await statuses(round + 1) : found;
    };
    expect(await statuses(1)).toEqual([201, 201, 201, 403]);
    const { rows } = await client.query("select 1 from secrets where name like 'IN#_THE#_SESSION%' escape '#'");
    expect(rows).toEqual([]);
  });

  it('a creation that waits behind those of others is refused for its own caller, and for nobody else', async () => {
    const { client } = app.database;
    const mine = await withToken(ada);
    /** On a slow machine the lock may be held for too long, which is answered with 503. */
    const statuses = async (round: number): Promise<number[]> => {
      const hers = await withToken(grace);
      const [{ id }] = expectStatus(await grace.call('GET', '/auth/tokens'), 200).body.tokens;
      await client.query('begin');
      await client.query('lock table secrets in share row exclusive mode');
      const answers: Promise<{ status: number }>[] = [];
      try {
        for (const name of ['BUSY_1', 'BUSY_2']) {
          answers.push(create(mine, `${name}_${round}`));
          await pause(100);
        }
        answers.push(...[mine, hers, mine].map((who, at) => create(who, `QUEUED_${at}_${round}`)));
        await pause(300);
        expectStatus(await grace.call('DELETE', `/auth/tokens/${id}`), 204);
      } finally {
        await client.query('rollback');
      }
      const found = (await Promise.all(answers)).map(({ status }) => status);
      return found.includes(503) && round < 5 ? await statuses(round + 1) : found;
    };
    expect(await statuses(1)).toEqual([201, 201, 201, 401, 201]);
  });

  it('a creation does not wait for another one whose name is held up', async () => {
    const { client } = app.database;
    await client.query('begin');
    const columns = (
      await client.query(
        "select string_agg(quote_ident(column_name), ', ') as list from information_schema.columns where table_name = 'secrets' and column_name not in ('id', 'name')",
      )
    ).rows[0].list;
    await client.query(
      `insert into secrets (id, name, ${columns}) select gen_random_uuid(), 'HELD', ${columns} from secrets where owner_id = $1 and name = 'FIRST'`,
      [ada.id],
    );
    const names = ['HELD', ...Array.from({ length: 20 }, (_, at) => `BESIDE_${at}`)];
    try {
      const answers = await Promise.all(names.map((name) => create(ada, name)));
      expect(answers.map(({ status }) => status)).toEqual([503, ...names.slice(1).map(() => 201)]);
    } finally {
      await client.query('rollback');
    }
    expectStatus(await create(ada, 'HELD'), 201);
  });

  it('of many simultaneous creations with one name one succeeds, and each of the others leaves a record of its refusal', async () => {
    const agent = await withToken(ada);
    const before = (
      await app.database.client.query(
        "select count(*)::int as n from audit_log where action = 'secret.create' and outcome = 'refused'",
      )
    ).rows[0].n;
    const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => create(at % 2 ? ada : agent, 'WANTED')));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 11 }, () => 409)]);
    expect(await kept('WANTED')).toBe(1);
    const after = (
      await app.database.client.query(
        "select count(*)::int as n from audit_log where action = 'secret.create' and outcome = 'refused'",
      )
    ).rows[0].n;
    expect(after - before).toBe(11);
  });

  it('creations of one credential succeed together, although some of them are refused', async () => {
    const names = Array.from({ length: 30 }, (_, at) => (at % 5 === 0 ? 'FIRST' : `MANY_${at}`));
    const answers = await Promise.all(names.map((name) => create(ada, name)));
    expect(answers.map(({ status }) => status)).toEqual(names.map((name) => (name === 'FIRST' ? 409 : 201)));
    for (const [at, { body, status }] of answers.entries()) {
      if (status !== 201) continue;
      expect(expectStatus(await ada.call('GET', `/secrets/${body.id}/value`), 200).body).toMatchObject({
        name: names[at],
        value: `value of ${names[at]}`,
      });
    }
  });

  it('no secret is written under an owner key that was changed meanwhile', async () => {
    const { client } = app.database;
    const change = 'update owner_keys set wrapped_key = reverse(wrapped_key) where owner_id = $1';
    await client.query(change, [ada.id]);
    expectStatus(await create(ada, 'UNDER_A_FOREIGN_KEY'), 409);
    await client.query(change, [ada.id]);
    expectStatus(await create(ada, 'UNDER_HER_KEY'), 201);
    expect([await kept('UNDER_A_FOREIGN_KEY'), await kept('UNDER_HER_KEY')]).toEqual([0, 1]);
  });
});
