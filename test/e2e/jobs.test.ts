import { getRollbackPlans } from 'pg-boss';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { grow } from '../../bench/grow.ts';
import { readConfig } from '../../src/config/config.ts';
import { rootKeySource } from '../../src/config/root-keys.ts';
import { adminPassword, newRootKey } from '../support/app.ts';
import { isFull } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { send } from '../support/http.ts';
import { runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, password, uniqueName } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';

let stack = new AsyncDisposableStack();
afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

const longEnough = 600_000;
const patience = { timeout: 300_000, interval: 100 };

/** A database of its own, whose services work as a role that may change nothing but rows. */
const newWorld = async (options: { readonly empty?: boolean } = {}) => {
  const database = await freshDatabase(options);
  stack.defer(() => database.drop());
  const env = {
    KEYHOLD_DATABASE_URL: database.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
    KEYHOLD_ROOT_KEYS: newRootKey(),
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_RATE_LIMIT: '1000000',
  };
  const start = async (): Promise<ServiceProcess> => {
    const service = await startService({ env });
    stack.defer(async () => void (await service.stop()));
    return service;
  };
  const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;
  const keyhold = (...args: string[]) => runKeyhold(args, { env });
  return { database, env, start, sql, keyhold };
};

const on = ({ url }: ServiceProcess) => ({
  call: (method: string, path: string, options = {}) => send(url, method, `/api/v1${path}`, options),
});

const bigUser = async (service: ServiceProcess, secrets: number): Promise<Person> => {
  const root = await logInAdmin(on(service));
  const username = uniqueName('big');
  expectStatus(await root.call('POST', '/users', { body: { username, password } }), 201);
  const user = await logIn(on(service), username);
  for (let from = 0; from < secrets; from += 500) {
    const items = Array.from({ length: Math.min(500, secrets - from) }, () => ({
      name: uniqueName('KEY'),
      type: 'other',
      value: 'v',
    }));
    expectStatus(await user.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
  }
  return user;
};

const erase = async (service: ServiceProcess, { id }: Person): Promise<string> => {
  const root = await logInAdmin(on(service));
  return expectStatus(await root.call('DELETE', `/users/${id}`), 200).body.job_id;
};

const jobOf = async (service: ServiceProcess, id: string) =>
  expectStatus(await (await logInAdmin(on(service))).call('GET', `/admin/jobs/${id}`), 200).body;

const untilDone = (service: ServiceProcess, id: string) =>
  vi.waitFor(async () => {
    const job = await jobOf(service, id);
    expect(job.state).toBe('done');
    return job;
  }, patience);

const untilPrinted = ({ stdout }: ServiceProcess, text: string) =>
  vi.waitFor(() => expect(stdout()).toContain(text), patience);

/** The service answers requests, and is ready. */
const serves = async (service: ServiceProcess): Promise<void> => {
  const root = await logInAdmin(on(service));
  const { id } = await keepSecret(root);
  expectStatus(await root.call('GET', `/secrets/${id}/value`), 200);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
};

const tracesOf = (database: TestDatabase, { id }: Person) =>
  database.client
    .query(
      'select id::text from secrets where owner_id = $1 union all select id::text from owner_keys where owner_id = $1',
      [id],
    )
    .then(({ rows }) => rows.length);

describe('the schema of jobs', () => {
  it(
    'services and migrations that start together on an empty database install it once, and jobs run',
    async () => {
      const { start, keyhold, sql, database } = await newWorld({ empty: true });
      const [one, , migrated] = await Promise.all([start(), start(), keyhold('migrate', 'up')]);
      expect(migrated).toMatchObject({ code: 0 });
      expect(await sql('select name, expire_seconds, retry_limit from keyhold_jobs.queue')).toEqual([
        { name: 'work', expire_seconds: 60, retry_limit: 0 },
      ]);
      const user = await bigUser(one, 700);
      await untilDone(one, await erase(one, user));
      expect(await tracesOf(database, user)).toBe(0);
      expect((await keyhold('doctor')).out).toContain('Everything is in order.');
    },
    longEnough,
  );

  it(
    'the service’s role can send messages, and cannot change the schema or what the migrator executes',
    async () => {
      const { sql } = await newWorld();
      const asService = async (text: string): Promise<string> => {
        await sql('begin');
        try {
          await sql('set local role keyhold_service');
          await sql(text);
          return 'done';
        } catch (error) {
          return (error as { code: string }).code;
        } finally {
          await sql('rollback');
        }
      };
      expect(await asService("insert into keyhold_jobs.job (name, data) values ('work', '{}')")).toBe('done');
      expect(await asService('update keyhold_jobs.queue set monitor_on = now()')).toBe('done');
      for (const text of [
        'create table keyhold_jobs.another (n int)',
        'drop table keyhold_jobs.warning',
        'update keyhold_jobs.version set version = 1',
        "update keyhold_jobs.queue set table_name = 'users'",
        "select keyhold_jobs.create_queue('another', '{}')",
        "insert into keyhold_jobs.bam (name, version, table_name, command) values ('x', 1, 'x', 'drop table users')",
        "update keyhold_jobs.bam set command = 'drop table users'",
      ])
        expect(await asService(text), text).toBe('42501');
    },
    longEnough,
  );

  it.each([
    ['missing', () => 'drop schema keyhold_jobs cascade', 'Run \\"keyhold migrate up\\"'],
    ['older', () => getRollbackPlans('keyhold_jobs'), 'Run \\"keyhold migrate up\\"'],
  ])(
    'a service on a schema that is %s answers requests, names the command, and works on jobs once it ran',
    async (_state, change, advice) => {
      const { start, keyhold, sql, database } = await newWorld();
      const service = await start();
      const user = await bigUser(service, 700);
      await sql(change());
      const job = await erase(service, user);
      await untilPrinted(service, 'Jobs do not run');
      expect(service.stdout()).toContain(advice);
      await serves(service);
      expect((await jobOf(service, job)).state).toBe('queued');
      const doctor = await keyhold('doctor');
      expect(doctor.code).toBe(1);
      expect(doctor.out).toContain('Jobs do not run');
      expect(await keyhold('migrate', 'up')).toMatchObject({ code: 0 });
      await untilDone(service, job);
      expect(await tracesOf(database, user)).toBe(0);
      expect((await keyhold('doctor')).out).toContain('Everything is in order.');
    },
    longEnough,
  );

  it(
    'a service whose migrator may not create schemas answers requests, and jobs run once somebody created the schema',
    async () => {
      const { start, keyhold, sql, database } = await newWorld({ empty: true });
      const migrator = `"${database.settings('migrator').user}"`;
      await sql(`alter schema public owner to ${migrator}`);
      await sql(`alter database "${database.name}" owner to current_user`);
      const service = await start();
      await serves(service);
      await untilPrinted(service, 'Jobs do not run');
      const refused = await keyhold('migrate', 'up');
      expect(refused.code).not.toBe(0);
      expect(refused.err).toContain('CREATE SCHEMA keyhold_jobs AUTHORIZATION');
      const job = await erase(service, await bigUser(service, 700));
      await sql(`create schema keyhold_jobs authorization ${migrator}`);
      expect(await keyhold('migrate', 'up')).toMatchObject({ code: 0 });
      await untilDone(service, job);
    },
    longEnough,
  );

  it(
    'a service and a migration leave the schema of a newer version alone',
    async () => {
      const { start, keyhold, sql } = await newWorld();
      await sql('update keyhold_jobs.version set version = version + 1');
      const service = await start();
      await untilPrinted(service, 'is of a newer version');
      await serves(service);
      expect(await keyhold('migrate', 'up')).toMatchObject({ code: 0 });
      const job = await erase(service, await bigUser(service, 700));
      expect((await jobOf(service, job)).state).toBe('queued');
      await sql('update keyhold_jobs.version set version = version - 1');
      await untilDone(service, job);
    },
    longEnough,
  );

  it(
    'changed options of a queue are applied, and those of a later version stay when an older service starts',
    async () => {
      const { start, keyhold, sql } = await newWorld();
      const options = () => sql("select expire_seconds, retry_limit from keyhold_jobs.queue where name = 'work'");
      await sql("comment on schema keyhold_jobs is 'Messages of Keyhold''s jobs; queues version 0'");
      await sql('update keyhold_jobs.queue set expire_seconds = 900, retry_limit = 2');
      expect(await keyhold('migrate', 'up')).toMatchObject({ code: 0 });
      expect(await options()).toEqual([{ expire_seconds: 60, retry_limit: 0 }]);
      await sql("comment on schema keyhold_jobs is 'Messages of Keyhold''s jobs; queues version 99'");
      await sql('update keyhold_jobs.queue set expire_seconds = 300, retry_limit = 5');
      const service = await start();
      await untilDone(service, await erase(service, await bigUser(service, 700)));
      expect(await options()).toEqual([{ expire_seconds: 300, retry_limit: 5 }]);
    },
    longEnough,
  );

  it(
    'a migration finishes the builds of indexes that were left for later',
    async () => {
      const { keyhold, sql } = await newWorld();
      await sql(`insert into keyhold_jobs.bam (name, version, status, table_name, command) values ('an index', 46, 'pending',
      'job_common', 'create index concurrently if not exists an_index on keyhold_jobs.job_common (created_on)')`);
      await sql('update keyhold_jobs.version set bam_on = null');
      expect(await keyhold('migrate', 'up')).toMatchObject({ code: 0 });
      expect(await sql("select status from keyhold_jobs.bam where name = 'an index'")).toEqual([
        { status: 'completed' },
      ]);
      expect(await sql("select 1 from pg_indexes where indexname = 'an_index'")).toHaveLength(1);
    },
    longEnough,
  );
});

describe('a job whose service is killed', () => {
  const secrets = isFull ? 20_000 : 1500;

  it(
    'another service goes on where a killed one was, and every row is counted once',
    async () => {
      const { start, sql, database } = await newWorld();
      const first = await start();
      const user = await bigUser(first, secrets);
      // The step that comes to the last secret waits for this lock, and the service dies meanwhile.
      await sql('begin');
      await sql('select 1 from secrets where owner_id = $1 order by id desc limit 1 for update', [user.id]);
      const job = await erase(first, user);
      await vi.waitFor(async () => {
        expect((await jobOf(first, job)).done).toBeGreaterThan(secrets / 2);
      }, patience);
      const second = await start();
      await first.kill();
      expect((await jobOf(second, job)).state).toBe('running');
      await sql('commit');
      const { done, total, counts } = await untilDone(second, job);
      expect(done).toBe(total);
      expect(counts.secrets).toBe(secrets);
      expect(await tracesOf(database, user)).toBe(0);
    },
    longEnough,
  );

  it(
    'jobs of services that are killed again and again are done in the end, and every row is counted once',
    async () => {
      const { start, database } = await newWorld();
      let service = await start();
      const user = await bigUser(service, secrets);
      const job = await erase(service, user);
      for (let round = 0; round < (isFull ? 20 : 2); round += 1) {
        const before = (await jobOf(service, job)).done;
        const next = await start();
        await vi.waitFor(async () => {
          const { done, state } = await jobOf(next, job);
          expect(state === 'done' || done > before).toBe(true);
        }, patience);
        await service.kill();
        service = next;
      }
      const { done, total, counts } = await untilDone(service, job);
      expect(done).toBe(total);
      expect(counts.secrets).toBe(secrets);
      expect(await tracesOf(database, user)).toBe(0);
    },
    longEnough,
  );
});

describe('moving many owner keys to another root key', () => {
  const users = isFull ? 200_000 : 3000;

  it(
    'is gone on with by another service within two minutes, and counts each key once, also where two work at once',
    async () => {
      const { start, sql, database, env } = await newWorld();
      const config = readConfig({});
      const rootKeys = rootKeySource({ KEYHOLD_ROOT_KEYS: env.KEYHOLD_ROOT_KEYS }, '');
      // The first start makes the administrator.
      await (await start()).stop();
      const pool = database.open();
      await grow({ config, rootKeys, database: pool, users, owners: 0, secretsEach: 0 });
      await pool.close();
      env.KEYHOLD_ROOT_KEYS = `${newRootKey()},${env.KEYHOLD_ROOT_KEYS}`;
      const first = await start();
      const root = await logInAdmin(on(first));
      // The step that comes to the last key waits for this lock, and the service dies meanwhile.
      await sql('begin');
      await sql('select 1 from owner_keys order by id desc limit 1 for update');
      const job = expectStatus(await root.call('POST', '/admin/keys/rewrap'), 200).body.id;
      await vi.waitFor(async () => {
        const { done, total } = await jobOf(first, job);
        expect(done).toBeGreaterThan(total / 2);
      }, patience);
      const second = await start();
      const third = await start();
      await first.kill();
      const killed = Date.now();
      const { done: before } = await jobOf(second, job);
      await sql('commit');
      await vi.waitFor(async () => expect((await jobOf(second, job)).done).toBeGreaterThan(before), patience);
      if (isFull) process.stderr.write(`another service went on ${Date.now() - killed} ms after the kill\n`);
      const { done, total, failed } = await untilDone(third, job);
      expect({ done, failed }).toEqual({ done: total, failed: 0 });
      expect(total).toBe(users + 1);
      expect(await sql('select distinct root_key_id from owner_keys')).toHaveLength(1);
    },
    longEnough * 2,
  );
});
