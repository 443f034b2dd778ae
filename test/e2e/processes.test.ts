import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../../src/db/migrations/index.ts';
import { adminPassword, newRootKey } from '../support/app.ts';
import { type Command, runCommand, startCommand } from '../support/command.ts';
import { freshDatabase } from '../support/database.ts';
import { deadlineFor, until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { send } from '../support/http.ts';
import { expectStatus, keepSecret, logInAdmin, type Person } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import {
  defer,
  type Env,
  newDirectory,
  onService,
  settings,
  sharedDatabase,
  sharedRootKey,
  start,
} from '../support/shared-database-services.ts';

/** Refused with one sentence on stderr, without a stack, and with an exit code. */
const expectRefused = async (env: Env, sentence: RegExp | string, exit = 2): Promise<void> => {
  const { code, signal, err } = await runCommand(['serve'], { env });
  expect(err).toMatch(sentence);
  expect(err).not.toMatch(/^ +at /m);
  expect(err.trim().split('\n')).toHaveLength(1);
  expect(signal).toBeNull();
  expect(code).toBe(exit);
};

describe('a service that is told to stop', () => {
  const address = /^Keyhold serves (\S+)/m;

  it.each<[NodeJS.Signals, string, readonly [string, ...string[]] | undefined, boolean]>([
    ['SIGTERM', 'the service', undefined, false],
    ['SIGINT', 'the service', undefined, false],
    ['SIGTERM', 'npm', ['npm', 'run', '--silent', 'serve'], false],
    ['SIGINT', 'the process group of npm', ['npm', 'run', '--silent', 'serve'], true],
  ])('%s to %s stops the service in order', async (signal, _whom, program, toGroup) => {
    const options = { env: settings(), ownGroup: true, ...(program ? { program } : {}) };
    const command: Command = startCommand(program ? [] : ['serve'], options);
    await command.prints(address);
    const startedAt = performance.now();
    // Further signals change nothing.
    for (let time = 0; time < 5; time += 1) {
      if (toGroup) process.kill(-command.pid, signal);
      else command.signal(signal);
    }
    expect(await command.ended).toMatchObject({ code: 0, signal: null, err: '' });
    expect(performance.now() - startedAt).toBeLessThan(deadlineFor(5000));
  });

  it('a service that is told to stop still answers the requests in progress', async () => {
    const service = await start();
    const admin = await logInAdmin(onService(service));
    const secret = await keepSecret(admin);
    // The lock makes the request wait in the database until the service has been told to end.
    await sharedDatabase().client.query('begin; lock table audit_log in access exclusive mode');
    const answer = admin.call('GET', `/secrets/${secret.id}/value`);
    const waits = `select 1 from pg_locks where not granted and relation = 'audit_log'::regclass`;
    await until('the request waits', 30_000, async () => (await sharedDatabase().client.query(waits)).rows.length > 0);
    const ended = service.stop();
    await sharedDatabase().client.query('rollback');
    expect(expectStatus(await answer, 200).body.value).toBe('the value');
    expect(await ended).toEqual({ code: 0, signal: null });
    await expect(fetch(service.url)).rejects.toThrow();
  });
});

describe('a service with an embedded database', () => {
  let service: EmbeddedService;
  let admin: Person;
  beforeAll(async () => {
    service = await startEmbeddedService();
    admin = await logInAdmin(service);
  });
  afterAll(() => service[Symbol.asyncDispose]());

  it('a second service on the same data directory is refused, and the first one keeps working', async () => {
    await expectRefused({ ...service.env, KEYHOLD_PORT: '0' }, 'Another Keyhold runs on this data directory.');
    expectStatus(await admin.call('GET', '/auth/me'), 200);
  });

  it('migrate commands work on the embedded database while the service runs', async () => {
    const status = await runCommand(['migrate', 'status'], { env: service.env });
    expect(status).toMatchObject({ code: 0, out: expect.stringMatching(/^0001-foundation {2}applied \d{4}-/m) });
    expect(await runCommand(['migrate', 'up'], { env: service.env })).toMatchObject({ code: 0 });
    expectStatus(await admin.call('GET', '/auth/me'), 200);
  });

  it('a service that follows a killed one adopts its database without a restart', async () => {
    const secret = await keepSecret(admin);
    const postmaster = await service.postmaster();
    await service.process().kill();
    process.kill(postmaster, 0);
    await service.restart();
    expect(await service.postmaster()).toBe(postmaster);
    expectStatus(await admin.call('GET', `/secrets/${secret.id}/value`), 200);
  });

  it('a service stops its database when it stops, and migrate commands then start it for themselves', async () => {
    const postmaster = await service.postmaster();
    await service.process().stop();
    expect(postmaster).toBeGreaterThan(0);
    expect(await service.postmaster()).toBe(0);
    for (const name of Object.keys(migrations).reverse()) {
      const down = await runCommand(['migrate', 'down', '--yes'], { env: service.env });
      expect(down).toMatchObject({ code: 0, out: expect.stringContaining(`${name}  not applied`) });
    }
    const up = await runCommand(['migrate', 'up'], { env: service.env });
    expect(up).toMatchObject({ code: 0, out: expect.stringContaining('0001-foundation  applied') });
    await service.restart();
    // The data is gone with the tables, and the first administrator is created again.
    expectStatus(await admin.call('GET', '/auth/me'), 401);
    expectStatus(await (await logInAdmin(service)).call('GET', '/auth/me'), 200);
  });
});

describe('a root key', () => {
  const second = newRootKey();
  let secret: { id: string };
  const idIn = async (): Promise<string> =>
    (await sharedDatabase().client.query('select distinct root_key_id as id from owner_keys')).rows[0].id;

  beforeAll(async () => {
    const service = await startService({ env: settings() });
    secret = await keepSecret(await logInAdmin(onService(service)));
    await service.stop();
  });

  const withOwner = async (): Promise<number> =>
    (await sharedDatabase().client.query('select count(*)::int as owners from owner_keys')).rows[0].owners;

  it('a wrong root key is refused with the id of the right one and the number of keys that need it', async () => {
    const needed = new RegExp(`${await idIn()} \\(${await withOwner()} owner keys?\\)`);
    await expectRefused(settings({ KEYHOLD_ROOT_KEYS: second }), needed);
    await start();
  });

  it('a root key that is missing from its file is not replaced by a new one', async () => {
    const directory = await newDirectory();
    const { KEYHOLD_ROOT_KEYS: _inline, ...rest } = settings();
    const file = join(directory, 'root-keys');
    await expectRefused(
      { ...rest, KEYHOLD_ROOT_KEY_FILE: file },
      `There is no root key in ${file}. This database needs root key ${await idIn()}`,
    );
    expect(await readdir(directory)).toEqual([]);
    await writeFile(file, '# none\n', { mode: 0o600 });
    await expectRefused({ ...rest, KEYHOLD_ROOT_KEY_FILE: file }, 'holds no root key');
    const empty = await newDirectory();
    await expectRefused({ ...rest, KEYHOLD_CONFIG_DIR: empty }, await idIn());
    expect(await readdir(empty)).toEqual([]);
    await writeFile(file, `${sharedRootKey()}\n`, { mode: 0o600 });
    const service = await startService({ env: { ...rest, KEYHOLD_ROOT_KEY_FILE: file } });
    await service.stop();
  });

  it('a root key can be added: existing secrets still open, and the first key wraps new ones', async () => {
    const before = await idIn();
    for (const keys of [`${sharedRootKey()},${second}`, `${second},${sharedRootKey()}`]) {
      const service = await start({ KEYHOLD_ROOT_KEYS: keys });
      const admin = await logInAdmin(onService(service));
      expect((await admin.call('GET', `/secrets/${secret.id}/value`)).body.value).toBe('the value');
      await keepSecret(admin);
      await service.stop();
    }
    // By now the second key alone unwraps the seal keys, but not the owner keys that the first one wrapped.
    await expectRefused(settings({ KEYHOLD_ROOT_KEYS: second }), before);
    await start();
  });
});

describe('a service that cannot start', () => {
  it.each<[string, Env, string | RegExp, number?]>([
    ['an unknown setting', { KEYHOLD_ROOTKEYS: 'x' }, 'KEYHOLD_ROOTKEYS is not a setting'],
    ['an invalid port', { KEYHOLD_PORT: '70000' }, 'KEYHOLD_PORT must be a whole number from 0 to 65535'],
    ['a TLS certificate but no key', { KEYHOLD_TLS_CERT: '/nonexistent' }, 'KEYHOLD_TLS_CERT'],
    [
      'the same root key twice',
      { KEYHOLD_ROOT_KEYS: `${'A'.repeat(43)}=,${'A'.repeat(43)}=` },
      / names root key [0-9a-f]{16} twice/,
    ],
    ['a root key that is too short', { KEYHOLD_ROOT_KEYS: 'AAAA' }, 'is not a Fernet key'],
    [
      'a database that does not answer',
      { KEYHOLD_DATABASE_URL: 'postgres://u:p@127.0.0.1:1/x', KEYHOLD_MIGRATION_DATABASE_URL: '' },
      'KEYHOLD_DATABASE_URL at 127.0.0.1:1 cannot be used: nothing listens there',
      7,
    ],
  ])('the service refuses to start with %s, and says so in one sentence', async (_what, env, sentence, exit) => {
    await expectRefused(settings(env), sentence, exit);
  });

  it('the service refuses to start at a port that is in use, for requests or for metrics', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => taken.once('listening', listening));
    const { port } = taken.address() as { port: number };
    defer(() => void taken.close());
    await expectRefused(settings({ KEYHOLD_PORT: String(port) }), `Port ${port} at 127.0.0.1 is in use`);
    await expectRefused(settings({ KEYHOLD_METRICS_PORT: String(port) }), 'KEYHOLD_METRICS_PORT');
    // The port for metrics listens already, and must not keep the process alive.
    await expectRefused(settings({ KEYHOLD_METRICS_PORT: '0', KEYHOLD_PORT: String(port) }), 'KEYHOLD_PORT');
    await start();
  });
});

describe('the first administrator', () => {
  it('the generated password of the first administrator is printed once and never again', async () => {
    const fresh = await freshDatabase();
    defer(() => fresh.drop());
    const { KEYHOLD_BOOTSTRAP_PASSWORD: _chosen, ...env } = settings({
      KEYHOLD_DATABASE_URL: fresh.url('service'),
      KEYHOLD_MIGRATION_DATABASE_URL: fresh.url('migrator'),
    });
    const first = await startService({ env });
    const password = /First administrator: admin, password (\S+) \(shown this once\)/.exec(first.stdout())?.[1] ?? '';
    const logIn = ({ url }: ServiceProcess, secret: string) =>
      send(url, 'POST', '/api/v1/auth/login', { body: { username: 'admin', password: secret } });
    expectStatus(await logIn(first, password), 200);
    expect((first.stdout() + first.stderr()).split(password)).toHaveLength(2);
    await first.stop();
    // Once there are users, a password in the settings changes nothing.
    const again = await startService({ env: { ...env, KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword } });
    expect(again.stdout()).not.toContain('First administrator');
    expectStatus(await logIn(again, password), 200);
    expectStatus(await logIn(again, adminPassword), 401);
    await again.stop();
  });

  it('the first administrator gets the password that the operator chose, which is not printed', async () => {
    const service = await start();
    await logInAdmin(onService(service));
    expect(service.stdout()).not.toContain(adminPassword);
  });
});
