import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/db/database.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { createTarget, expectClosed, expectOpen, expectUnchanged, readiness, type Target } from '../support/closed.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts';
import { until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people } from '../support/people.ts';
import { family } from '../support/process-family.ts';

const comesBackWithinMs = 5000;
const yes = (): boolean => true;
const no = (): boolean => false;

describe('while records cannot be written', () => {
  let app: TestApp;
  let target: Target;
  beforeAll(async () => {
    app = await startApp();
    const { ada } = await people(app, await logInAdmin(app), 'ada');
    target = await createTarget(ada);
  });
  afterAll(() => app.close());

  it('while the audit log is locked, no value is handed out and nothing is changed', async () => {
    await expectOpen(target);
    await app.database.client.query('begin; lock table audit_log in access exclusive mode');
    await expectClosed(target);
    app.clock.set(new Date());
    expect(expectStatus(await readiness(app.url), 503).body.detail).toContain('logins');
    await app.database.client.query('rollback');
    app.clock.set(new Date());
    expectStatus(await readiness(app.url), 200);
    await expectOpen(target);
    await expectUnchanged(target);
  });

  it('the service is not ready while the clocks are more than 5 s apart, and ready again when they are not', async () => {
    const ready = async () => (await readiness(app.url)).status;
    app.clock.set(new Date());
    expect(await ready()).toBe(200);
    for (const gap of [-60_000, 60_000]) {
      app.clock.set(new Date(Date.now() + gap));
      expect(expectStatus(await readiness(app.url), 503).body.detail).toContain('clock');
    }
    app.clock.set(new Date());
    expect(await ready()).toBe(200);
  });
});

describe('while an external database is gone', () => {
  let database: TestDatabase;
  let proxy: DatabaseProxy;
  let app: TestApp;
  let target: Target;
  beforeAll(async () => {
    database = await freshDatabase();
    const service = database.settings('service');
    proxy = await startDatabaseProxy({ host: String(service.host), port: Number(service.port) });
    const open: TestDatabase['open'] = (size = 10) =>
      openDatabase({ connection: { ...service, host: proxy.host }, size, onIdleError: () => undefined });
    app = await startApp({ database: { ...database, open } });
    const { ada } = await people(app, await logInAdmin(app), 'ada');
    target = await createTarget(ada);
  });
  afterAll(async () => {
    await app.close();
    await proxy[Symbol.asyncDispose]();
    await database.drop();
  });

  const readinessNow = () => {
    // The test's clock does not move by itself.
    app.clock.set(new Date());
    return readiness(app.url);
  };

  it.each<[string, () => void | Promise<void>]>([
    ['refuses connections', () => proxy.refuse()],
    ['answers nothing', () => proxy.hang()],
  ])(
    'while an external database %s, no value is handed out, and the service recovers by itself',
    async (_how, disturb) => {
      await expectOpen(target);
      expect((await readinessNow()).status).toBe(200);
      await disturb();
      await expectClosed(target);
      expect(expectStatus(await readinessNow(), 503).headers.get('retry-after')).toBe('1');
      await proxy.restore();
      await until('it is ready again', comesBackWithinMs, async () => (await readinessNow()).status === 200);
      await expectOpen(target);
      await expectUnchanged(target);
    },
  );

  it('the service opens new connections after the database has ended all of them', async () => {
    await expectOpen(target);
    const { rows } = await database.client.query(
      `select pg_terminate_backend(pid) as ended from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    expect(rows.length).toBeGreaterThan(0);
    // A request on a broken connection that was not noticed yet is told to try again.
    await until('it works again', comesBackWithinMs, () => expectOpen(target).then(yes, no));
    await expectOpen(target);
  });
});

describe('while the embedded database is not available', () => {
  let service: EmbeddedService;
  let ada: Person;
  let target: Target;
  beforeAll(async () => {
    service = await startEmbeddedService();
    ({ ada } = await people(service, await logInAdmin(service), 'ada'));
    target = await createTarget(ada);
  });
  afterAll(() => service[Symbol.asyncDispose]());

  const backAgain = async (): Promise<void> => {
    await until('it is ready again', comesBackWithinMs, async () => (await service.readiness()) === 200);
    await expectOpen(target);
  };

  it.runIf(process.platform === 'linux')(
    'while the embedded database is frozen, no value is handed out, and the service recovers when it thaws',
    async () => {
      const { pid } = service.process();
      await expectOpen(target);
      const frozen = family(await service.postmaster());
      for (const one of frozen) process.kill(one, 'SIGSTOP');
      await expectClosed(target);
      expect(await service.readiness()).toBe(503);
      for (const one of frozen.reverse()) process.kill(one, 'SIGCONT');
      await backAgain();
      await expectUnchanged(target);
      expect(service.process().pid).toBe(pid);
    },
  );

  it('the service restarts an embedded database that somebody stopped', async () => {
    await expectOpen(target);
    const before = await service.postmaster();
    process.kill(before, 'SIGINT');
    await until('another one runs', comesBackWithinMs, async () => ![0, before].includes(await service.postmaster()));
    await backAgain();
  });

  it('no commit is acknowledged while the database waits for a standby that never answers', async () => {
    const superuser = await service.connect();
    const standby = async (names: string): Promise<void> => {
      await superuser.query(`alter system set synchronous_standby_names = '${names}'`);
      await superuser.query('select pg_reload_conf()');
      await until('it is set', 5000, async () => {
        const { rows } = await superuser.query('show synchronous_standby_names');
        return rows[0].synchronous_standby_names === names;
      });
    };
    await expectOpen(target);
    await superuser.query('set synchronous_commit = local');
    await standby('nobody');
    const pending = expectClosed(target, { all: false });
    const cancelled = keepCancelling(superuser);
    const made = ada.call('POST', '/secrets', { body: { name: 'IN_DOUBT', type: 'token', value: 'v' } });
    expectStatus(await made, 503);
    await pending;
    expect(await cancelled()).toBeGreaterThan(0);
    await standby('');
    await superuser.end();
    await backAgain();
    // The commit in doubt was carried out after all. It was never acknowledged: the caller was told to try again.
    expectStatus(await ada.call('POST', '/secrets', { body: { name: 'IN_DOUBT', type: 'token', value: 'v' } }), 409);
    await keepSecret(ada, { name: 'NOT_IN_DOUBT' });
  });
});

/** Cancels every commit that waits for a standby, as an operator might. The result stops it and resolves to their number. */
const keepCancelling = (superuser: Awaited<ReturnType<EmbeddedService['connect']>>): (() => Promise<number>) => {
  let cancelled = 0;
  let going = true;
  const cancelling = (async () => {
    while (going) {
      const { rows } = await superuser.query(
        `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`,
      );
      cancelled += rows.length;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    going = false;
    await cancelling;
    return cancelled;
  };
};
