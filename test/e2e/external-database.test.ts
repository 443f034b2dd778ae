import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { type OpenDatabase, openConfigured } from '../../src/db/open.ts';
import { adminPassword, newRootKey } from '../support/app.ts';
import { runCommand } from '../support/command.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/deadlines.ts';
import { send } from '../support/http.ts';
import { expectStatus, keepSecret, logInAdmin } from '../support/people.ts';
import { startService } from '../support/process.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase({ empty: true });
});
afterAll(() => database.drop());

/** The database as a service opens it. */
const open = (url: string, migrationUrl?: string): Promise<OpenDatabase> => {
  const env = {
    KEYHOLD_DATABASE_URL: url,
    ...(migrationUrl === undefined ? {} : { KEYHOLD_MIGRATION_DATABASE_URL: migrationUrl }),
  };
  return openConfigured({ config: readConfig(env), log: () => undefined, onLost: () => undefined });
};

/** Creates a login without privileges for the time of `work`. */
const withLogin = async (attributes: string, work: (url: string) => Promise<void>): Promise<void> => {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await database.client.query(`create role ${name} login ${attributes} password 'p'`);
  try {
    const service = new URL(database.url('service').replace('@/', '@localhost/'));
    service.username = name;
    service.password = 'p';
    await work(service.href.replace('@localhost/', '@/'));
  } finally {
    await database.client.query(`drop owned by ${name} cascade; drop role ${name}`).catch(() => undefined);
  }
};

const expectLeastPrivileges = async ({ db }: OpenDatabase): Promise<void> => {
  const { rows } = await sql<{ role: string }>`select current_user::text as role`.execute(db);
  expect(rows).toEqual([{ role: 'keyhold_service' }]);
  await sql`select count(*) from public.audit_log`.execute(db);
  await sql`update public.users set display_name = display_name`.execute(db);
  for (const forbidden of [
    'update public.audit_log set reason = null',
    'delete from public.audit_log',
    'truncate public.audit_log',
    'delete from public.users',
    'update public.service_keys set purpose = purpose',
    'create table public.mine (n int)',
    'alter table public.users add column mine int',
    'drop table public.secrets',
  ]) {
    await expect(sql.raw(forbidden).execute(db), forbidden).rejects.toThrow(/permission denied|must be owner/);
  }
};

describe('an external database', () => {
  it('the service has least privileges on an external database even if its only login is a superuser', async () => {
    const opened = await open(database.url('superuser'));
    await expectLeastPrivileges(opened);
    await opened.close();
  });

  it('the service has least privileges with a login of its own and another for migrations', async () => {
    const opened = await open(database.url('service'), database.url('superuser'));
    await expectLeastPrivileges(opened);
    await opened.close();
  });

  it('the service has least privileges with any login, which the migrator makes a member of its role', async () => {
    await withLogin('', async (url) => {
      const opened = await open(url, database.url('superuser'));
      await expectLeastPrivileges(opened);
      await opened.close();
    });
  });

  it('a service process starts on an empty database with the login of a superuser, and works as the service role', async () => {
    const fresh = await freshDatabase({ empty: true });
    const env = {
      KEYHOLD_DATABASE_URL: fresh.url('superuser'),
      KEYHOLD_ROOT_KEYS: newRootKey(),
      KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    };
    expect((await runCommand(['migrate', 'status'], { env })).out).toContain('0001-foundation  not applied');
    const service = await startService({ env });
    const call = (method: string, path: string, options = {}) => send(service.url, method, `/api/v1${path}`, options);
    const admin = await logInAdmin({ call });
    const secret = await keepSecret(admin);
    // The process works as the service role, so it loses what is revoked from that role.
    await fresh.client.query('revoke select on secrets from keyhold_service');
    expect((await admin.call('GET', `/secrets/${secret.id}/value`)).status).toBeGreaterThanOrEqual(500);
    await fresh.client.query('grant select on secrets to keyhold_service');
    expectStatus(await admin.call('GET', `/secrets/${secret.id}/value`), 200);
    await fresh.client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await until(
      'it works again',
      5000,
      async () => (await admin.call('GET', `/secrets/${secret.id}/value`)).status === 200,
    );
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await fresh.drop();
  });
});
