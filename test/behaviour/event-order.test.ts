import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import { operator } from '../../src/core/caller.ts';
import type { UserId } from '../../src/core/ids.ts';
import { type Db, inTransaction } from '../../src/db/database.ts';
import { createTrimEvents } from '../../src/events/index.ts';
import { createSeals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { until } from '../support/deadlines.ts';
import { openStream, untilTold } from '../support/event-stream.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people } from '../support/people.ts';

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
let writers: ReturnType<TestApp['database']['open']>;
beforeAll(async () => {
  app = await startApp();
  writers = app.database.open(8);
  admin = await logInAdmin(app);
  ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
});
afterAll(async () => {
  await writers.close();
  await app.close();
});

const seals = () => createSeals(() => app.app.keys.held().sealKeys);

/** Tells grace of things that are numbered, as a change would. */
const tell = (db: Db, ...numbers: number[]): Promise<boolean> =>
  createAudit({ clock: app.clock, seals: seals(), onRecord: () => undefined }).insert(
    db,
    [],
    numbers.map((number) => {
      const told = { type: 'token.revoked', to: [grace.id as UserId], details: { number } } as const;
      return {
        actor: operator('test'),
        entry: { action: 'token.revoke', outcome: 'allowed', details: {}, tells: [told] },
      };
    }),
  );

/** A transaction that has written its event and ends when it is told to. */
const held = async (number: number) => {
  const { promise: isWritten, resolve: written } = Promise.withResolvers<void>();
  const { promise: end, resolve: commit, reject: rollBack } = Promise.withResolvers<void>();
  const done = inTransaction(writers.db, async (tx) => {
    await tell(tx, number);
    written();
    await end;
  });
  await isWritten;
  return { done, commit, rollBack };
};

const numbersIn = (stream: { events(): readonly { data?: any }[] }): number[] =>
  stream.events().map(({ data }) => data.details.number);

it('streams and notices have every committed event once, and one that was committed late after the others', async () => {
  const stream = await openStream(app.url, { token: grace.token });
  const [late, undone] = [await held(1), await held(2)];
  await tell(writers.db, 3);
  await stream.waitFor('token.revoked');
  undone.rollBack(new Error('rolled back'));
  await expect(undone.done).rejects.toThrow('rolled back');
  await tell(writers.db, 4);
  await stream.waitFor('token.revoked', 2);
  // A client that went away now and comes back misses the late one as little as one that stays.
  const lastEventId = stream.lastId();
  late.commit();
  await late.done;
  await stream.waitFor('token.revoked', 3);
  const again = await openStream(app.url, { token: grace.token, lastEventId });
  await again.waitFor('token.revoked');
  expect(numbersIn(stream)).toEqual([3, 4, 1]);
  expect(numbersIn(again)).toEqual([1]);
  const { notices } = (await grace.call('GET', '/notices')).body;
  expect(notices.map((one: { details: { number: number } }) => one.details.number)).toEqual([1, 4, 3]);
  stream.leave();
  again.leave();
});

it('a client that is away for hundreds of events gets each of them once, in order, however often it comes back', async () => {
  const total = 1000;
  const begin = await openStream(app.url, { token: grace.token });
  await until('the stream began', 5000, async () => begin.lastId() !== undefined);
  begin.leave();
  for (let at = 0; at < total; at += 100) await tell(writers.db, ...Array.from({ length: 100 }, (_, i) => at + i));
  await untilTold(app);
  const got: number[] = [];
  let lastEventId = begin.lastId();
  while (got.length < total) {
    const stream = await openStream(app.url, { token: grace.token, lastEventId });
    await stream.waitFor('token.revoked');
    stream.leave();
    got.push(...numbersIn(stream));
    lastEventId = stream.lastId();
  }
  expect(got).toEqual(Array.from({ length: total }, (_, at) => at));
});

it('nothing is sent while it cannot be decided whether the credential still holds, and everything after that', async () => {
  const body = { name: 'reader', permissions: ['events:read'], expires_in: 600 };
  const { token } = expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body;
  await untilTold(app);
  const stream = await openStream(app.url, { token });
  await until('the stream began', 5000, async () => stream.lastId() !== undefined);
  const { client } = app.database;
  await client.query('begin; lock table tokens in access exclusive mode');
  const secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
  await untilTold(app);
  await until('somebody waits for the tokens', 5000, async () => {
    const { rows } = await client.query("select 1 from pg_locks where relation = 'tokens'::regclass and not granted");
    return rows.length > 0;
  });
  expect(stream.events()).toEqual([]);
  await client.query('rollback');
  // Where that took too long, the stream has ended, and the client comes back.
  const again = await openStream(app.url, { token, lastEventId: stream.lastId() });
  const ids = () => [stream, again].map((one) => one.events().map(({ data }) => data.secret?.id));
  await until('it was told', 5000, async () => (stream.isOver() || ids()[0]?.length === 1) && ids()[1]?.length === 1);
  expect(ids()[1]).toEqual([secret.id]);
  stream.leave();
  again.leave();
});

it('trimming deletes the oldest events by their order and nothing that is newer, also past a broken row', async () => {
  await untilTold(app);
  const { client } = app.database;
  const positions = async (): Promise<number[]> =>
    (await client.query('select position::int from events order by position')).rows.map(({ position }) => position);
  const trim = (before: Date, limit: number) =>
    inTransaction(app.db.db, (tx) => createTrimEvents(seals())(tx, before, limit));
  const all = await positions();
  expect(await trim(app.clock.now(), 10)).toBe(0);
  app.clock.advance(60_000);
  await tell(writers.db, 9000);
  await untilTold(app);
  await client.query("update events set created_at = 'infinity' where position = $1", [all[2]]);
  const before = new Date(app.clock.now().getTime() - 1);
  expect(await trim(before, 3)).toBe(3);
  const { rows } = await client.query('select trimmed_position::int as trimmed from event_log');
  expect(rows[0].trimmed).toBe(all[2]);
  expect(await trim(before, 10_000)).toBe(all.length - 3);
  const left = await client.query('select details from events');
  expect(left.rows).toEqual([{ details: { number: 9000 } }]);
  app.clock.advance(-60_000);
});

it('a user who is erased leaves no event, and the service’s own webhooks still get those that were not read yet', async () => {
  const { mona } = await people(app, admin, 'mona');
  await keepSecret(mona);
  await untilTold(app);
  await app.database.client.query('begin; lock table event_log in exclusive mode');
  const secret = await keepSecret(mona);
  expectStatus(await mona.call('POST', '/notices/read', { body: {} }), 204);
  const { body } = await mona.call('GET', `/users/${mona.id}/erasure`);
  expect(body.blocking).toEqual([]);
  expect(expectStatus(await admin.call('DELETE', `/users/${mona.id}`), 200).body.complete).toBe(true);
  await app.database.client.query('rollback');
  const left = `select secret_id, lead, details from events where (user_id = '${mona.id}' or secret_id = '${secret.id}')`;
  expect((await app.database.client.query(left)).rows).toEqual([{ secret_id: secret.id, lead: true, details: {} }]);
  const marks = await app.database.client.query('select 1 from notice_marks where user_id = $1', [mona.id]);
  expect(marks.rows).toEqual([]);
});
