import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { KeyholdError } from '../../src/core/errors.ts';
import type { JobId } from '../../src/core/ids.ts';
import { type JobKind, jobKind } from '../../src/jobs/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { type JobService, jobService, storeJob } from '../support/jobs.ts';
import { expectStatus, logInAdmin, type Person } from '../support/people.ts';

let app: TestApp;
let root: Person;
beforeAll(async () => {
  app = await startApp();
  root = await logInAdmin(app);
  await sql('create table public.counted (job uuid, n int)');
  await sql('grant all on public.counted to public');
});
afterAll(() => app.close());

const sql = async (text: string, values: unknown[] = []) => (await app.database.client.query(text, values)).rows;

let services: JobService[] = [];
afterEach(async () => {
  await Promise.all(services.map((service) => service.stop()));
  services = [];
  await sql("delete from public.jobs where state in ('queued', 'running')");
  await sql('delete from keyhold_jobs.job');
});

const newService = async (kinds?: Readonly<Record<string, JobKind>>, clock = settableClock()) => {
  const service = await jobService(app, clock);
  services.push(service);
  if (kinds) service.work(kinds);
  return { ...service, clock };
};

const insertNumber = async (tx: Parameters<JobKind['step']>[0], id: string, n: number): Promise<void> => {
  const { sql: raw } = await import('kysely');
  await raw`insert into public.counted values (${id}, ${n})`.execute(tx);
};

/** Writes the numbers up to `upTo`, one in each step. `before` runs within each step. */
const counting = (before: (n: number) => unknown = () => undefined): JobKind =>
  jobKind<{ upTo: number }, number>({
    step: async (tx, { id, params, cursor }) => {
      const n = (cursor ?? 0) + 1;
      await before(n);
      await insertNumber(tx, id, n);
      const progress = { total: params.upTo, done: 1, counts: { numbers: n } };
      return n < params.upTo ? { ...progress, next: 'step', cursor: n } : { ...progress, next: 'finish' };
    },
  });

const counted = async (id: JobId): Promise<number[]> =>
  (await sql('select n from public.counted where job = $1 order by n', [id])).map(({ n }) => n);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);

const jobOf = async (id: JobId) => expectStatus(await root.call('GET', `/admin/jobs/${id}`), 200).body;
const untilState = (id: JobId, state: string) =>
  vi.waitFor(async () => expect((await jobOf(id)).state).toBe(state), { timeout: 60_000, interval: 20 });

const forge = (id: string, revision: number) =>
  sql("insert into keyhold_jobs.job (name, data) values ('work', $1)", [JSON.stringify({ id, revision })]);
const untilMessagesAreTaken = () =>
  vi.waitFor(
    async () => expect(await sql("select from keyhold_jobs.job where state in ('created', 'active')")).toEqual([]),
    { timeout: 60_000, interval: 50 },
  );

describe('a job', () => {
  it('a job that was started is worked on to its end, and its progress and records say so', async () => {
    const service = await newService({ count: counting() });
    const id = await service.begin('count', { upTo: 25 });
    await untilState(id, 'done');
    expect(await counted(id)).toEqual(upTo(25));
    expect(await jobOf(id)).toMatchObject({ kind: 'count', total: 25, done: 25, failed: 0, requested_by: null });
    const records = await sql('select action, outcome, details from audit_log where target_id = $1 order by id', [id]);
    expect(records.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'job.start allowed',
      'job.finish allowed',
    ]);
    expect(records[1].details).toMatchObject({ kind: 'count', done: 25, failed: 0 });
  });

  it('two services that work on one job at once take each step once', async () => {
    const kinds = { count: counting() };
    const [one, other] = [await newService(kinds), await newService(kinds)];
    const ids = await Promise.all([one, other, one].map((service) => service.begin('count', { upTo: 60 })));
    for (const id of ids) for (let n = 0; n < 5; n += 1) await forge(id, 1);
    for (const id of ids) await untilState(id, 'done');
    for (const id of ids) {
      expect(await counted(id)).toEqual(upTo(60));
      expect((await jobOf(id)).done).toBe(60);
    }
  });

  it('a step that waits is taken again later', async () => {
    let waits = 0;
    const waiting = jobKind({
      step: async () => {
        waits += 1;
        return waits < 3 ? { next: 'wait', cursor: waits, seconds: 1 } : { next: 'finish', done: waits };
      },
    });
    const service = await newService({ waiting });
    const id = await service.begin('waiting');
    await untilState(id, 'done');
    expect((await jobOf(id)).done).toBe(3);
  });

  it('a step that fails writes nothing, and after ten failures in a row the job has failed', async () => {
    let fails = 2;
    const sometimes = counting(() => {
      fails -= 1;
      if (fails >= 0) throw new TypeError('this step fails');
    });
    const service = await newService({ sometimes });
    const id = await service.begin('sometimes', { upTo: 3 });
    await untilState(id, 'done');
    expect(await counted(id)).toEqual(upTo(3));
    // The tenth failure in a row ends it; the nine before it were counted when it was stored.
    const failing = await storeJob(app, { kind: 'failing', state: 'running', attempts: 9, started_at: new Date() });
    const other = await newService({
      failing: counting(() => {
        throw new KeyholdError('integrity_broken', 'a row is broken');
      }),
    });
    other.nudge();
    await untilState(failing, 'failed');
    expect(await jobOf(failing)).toMatchObject({ reason: 'internal', done: 0 });
    const [finished] = await sql(
      "select outcome, reason from audit_log where target_id = $1 and action = 'job.finish'",
      [failing],
    );
    expect(finished).toEqual({ outcome: 'failed', reason: 'internal' });
  });

  it('a job whose service went away is continued by another once it seems abandoned', async () => {
    const id = await storeJob(app, {
      kind: 'count',
      params: { upTo: 5 },
      state: 'running',
      cursor: 2,
      done: 2,
      started_at: new Date(),
    });
    // The first look of a service takes up everything that is unfinished; later ones only what nobody works on.
    const gone = await newService({ count: counting() });
    await untilState(id, 'done');
    expect(await counted(id)).toEqual([3, 4, 5]);
    const later = await storeJob(app, { kind: 'count', params: { upTo: 5 }, state: 'running', cursor: 2, done: 2 });
    gone.nudge();
    gone.clock.advance(46_000);
    gone.nudge();
    await untilState(later, 'done');
    expect((await jobOf(later)).done).toBe(5);
  });

  it('a service that stops leaves the job to the next one after the step under way', async () => {
    let reached: () => void = () => undefined;
    const atThree = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const service = await newService({ count: counting((n) => n === 3 && reached()) });
    const id = await service.begin('count', { upTo: 100_000 });
    await atThree;
    await service.stop();
    services = [];
    const { done, state } = await jobOf(id);
    expect(state).toBe('running');
    expect(await counted(id)).toEqual(upTo(done));
    const next = await newService({ count: counting() });
    await vi.waitFor(async () => expect((await jobOf(id)).done).toBeGreaterThan(done), { timeout: 60_000 });
    await next.jobs.cancel(next.caller, id);
    expect(await counted(id)).toEqual(upTo((await jobOf(id)).done));
  });
});

describe('a message of the queue', () => {
  it('a message that is forged, is sent again or is none does nothing that its job does not say', async () => {
    const service = await newService({ count: counting() });
    const id = await service.begin('count', { upTo: 3 });
    await untilState(id, 'done');
    const before = await sql('select * from public.jobs order by id');
    const numbers = await sql('select count(*) from public.counted');
    await forge(id, 1);
    await forge(id, 4);
    await forge(randomUUID(), 1);
    for (const data of ['{}', '[]', '"x"', '{"id":7,"revision":1}', '{"id":"x","revision":"y"}', 'null'])
      await sql("insert into keyhold_jobs.job (name, data) values ('work', $1::jsonb)", [data]);
    // A job of its own keeps the queue open until all of them were taken.
    const last = await service.begin('count', { upTo: 2 });
    await untilState(last, 'done');
    await untilMessagesAreTaken();
    expect(await sql('select * from public.jobs where id <> $1 order by id', [last])).toEqual(before);
    expect(Number((await sql('select count(*) from public.counted'))[0].count)).toBe(Number(numbers[0].count) + 2);
  });

  it('a job whose message was lost is found again by its row', async () => {
    const clock = settableClock();
    const idle = await newService(undefined, clock);
    const id = await idle.begin('count', { upTo: 3 });
    await sql('delete from keyhold_jobs.job');
    const service = await newService({ count: counting() }, clock);
    service.nudge();
    await untilState(id, 'done');
  });

  it.each([
    ['params', `'{"upTo": 9}'`],
    ['cursor', `'7'`],
    ['done', '1000'],
    ['state', `'running'`],
    ['kind', `'other'`],
  ])('a job whose %s was changed in the database is not worked on, and an untouched one is', async (column, value) => {
    const idle = await newService();
    const id = await idle.begin('count', { upTo: 3 });
    await sql(`update public.jobs set ${column} = ${value} where id = $1`, [id]);
    const service = await newService({ count: counting(), other: counting() });
    await forge(id, 1);
    const intact = await service.begin('count', { upTo: 2 });
    await untilState(intact, 'done');
    await untilMessagesAreTaken();
    expect(await counted(id)).toEqual([]);
    expectStatus(await root.call('GET', `/admin/jobs/${id}`), 404);
    await sql('delete from public.jobs where id = $1', [id]);
  });
});

describe('cancelling a job', () => {
  it('a cancelled job does nothing more, and cannot be cancelled again', async () => {
    let reached: () => void = () => undefined;
    const atThree = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const service = await newService({ count: counting((n) => n === 3 && reached()) });
    const id = await service.begin('count', { upTo: 1_000_000 });
    await atThree;
    const cancelled = expectStatus(await root.call('DELETE', `/admin/jobs/${id}`), 200).body;
    expect(cancelled).toMatchObject({ id, state: 'cancelled' });
    expect(await counted(id)).toEqual(upTo(cancelled.done));
    await untilMessagesAreTaken();
    expect(await counted(id)).toEqual(upTo(cancelled.done));
    expect(expectStatus(await root.call('DELETE', `/admin/jobs/${id}`), 409).body.code).toBe('state_conflict');
    const records = await sql(
      "select outcome, reason from audit_log where target_id = $1 and action = 'job.cancel' order by id",
      [id],
    );
    expect(records).toEqual([
      { outcome: 'allowed', reason: null },
      { outcome: 'refused', reason: 'state_conflict' },
    ]);
  });

  it('a job that must not stop halfway cannot be cancelled', async () => {
    const id = await storeJob(app, { cancellable: false });
    expect(expectStatus(await root.call('DELETE', `/admin/jobs/${id}`), 409).body.code).toBe('state_conflict');
    expect((await jobOf(id)).state).toBe('queued');
  });

  it('administrators see jobs newest first, page by page', async () => {
    const made: JobId[] = [];
    for (let n = 0; n < 3; n += 1) made.unshift(await storeJob(app));
    const first = expectStatus(await root.call('GET', '/admin/jobs?limit=2'), 200).body;
    const second = expectStatus(await root.call('GET', `/admin/jobs?limit=1&cursor=${first.next_cursor}`), 200).body;
    expect([...first.jobs, ...second.jobs].map(({ id }: { id: string }) => id)).toEqual(made);
  });
});
