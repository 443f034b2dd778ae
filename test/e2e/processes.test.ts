import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { adminPassword, newRootKey } from '../support/app.ts';
import { type Command, runCommand, startCommand } from '../support/command.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { deadlineFor, until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { send } from '../support/http.ts';
import { expectStatus, keepSecret, logInAdmin, type Person } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

type Env = Record<string, string>;

let database: TestDatabase;
let rootKey: string;
beforeAll(async () => {
  database = await freshDatabase();
  rootKey = newRootKey();
});
afterAll(() => database.drop());

/** What a test started, which is ended in reverse order even if the test fails. */
let stack = new AsyncDisposableStack();
afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

/** The settings of a service on the database of this file. */
const settings = (more: Env = {}): Env => ({
  KEYHOLD_PORT: '0',
  KEYHOLD_LOG_LEVEL: 'warn',
  KEYHOLD_DATABASE_URL: database.url('service'),
  KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
  KEYHOLD_ROOT_KEYS: rootKey,
  KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
  ...more,
});

const start = async (more: Env = {}): Promise<ServiceProcess> => {
  const service = await startService({ env: settings(more) });
  stack.defer(async () => void (await service.stop()));
  return service;
};

const onService = ({ url }: { url: string }) => ({
  call: (method: string, path: string, options = {}) => send(url, method, `/api/v1${path}`, options),
});

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
    await database.client.query('begin; lock table audit_log in access exclusive mode');
    const answer = admin.call('GET', `/secrets/${secret.id}/value`);
    const waits = `select 1 from pg_locks where not granted and relation = 'audit_log'::regclass`;
    await until('the request waits', 30_000, async () => (await database.client.query(waits)).rows.length > 0);
    const ended = service.stop();
    await database.client.query('rollback');
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
    const down = await runCommand(['migrate', 'down', '--yes'], { env: service.env });
    expect(down).toMatchObject({ code: 0, out: expect.stringContaining('0001-foundation  not applied') });
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
    (await database.client.query('select distinct root_key_id as id from owner_keys')).rows[0].id;

  beforeAll(async () => {
    const service = await startService({ env: settings() });
    secret = await keepSecret(await logInAdmin(onService(service)));
    await service.stop();
  });

  const withOwner = async (): Promise<number> =>
    (await database.client.query('select count(*)::int as owners from owner_keys')).rows[0].owners;

  it('a wrong root key is refused with the id of the right one and the number of keys that need it', async () => {
    const needed = `${await idIn()} (${await withOwner()} owner keys)`;
    await expectRefused(settings({ KEYHOLD_ROOT_KEYS: second }), new RegExp(needed.replace(/[()]/g, '\\$&')));
    await start();
  });

  it('a root key that is missing from its file is not replaced by a new one', async () => {
    const directory = stack.use(await makeTempDir()).path;
    const { KEYHOLD_ROOT_KEYS: _inline, ...rest } = settings();
    const file = join(directory, 'root-keys');
    await expectRefused({ ...rest, KEYHOLD_ROOT_KEY_FILE: file }, `${file} cannot be read`);
    await writeFile(file, '# none\n', { mode: 0o600 });
    await expectRefused({ ...rest, KEYHOLD_ROOT_KEY_FILE: file }, 'holds no root key');
    // In an empty configuration directory a new key is created, which this database does not know.
    await expectRefused({ ...rest, KEYHOLD_CONFIG_DIR: directory }, await idIn());
    await writeFile(file, `${rootKey}\n`, { mode: 0o600 });
    const service = await startService({ env: { ...rest, KEYHOLD_ROOT_KEY_FILE: file } });
    await service.stop();
  });

  it('a root key can be added: existing secrets still open, and the first key wraps new ones', async () => {
    const before = await idIn();
    for (const keys of [`${rootKey},${second}`, `${second},${rootKey}`]) {
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
  it.each<[string, Env, string, number?]>([
    ['an unknown setting', { KEYHOLD_ROOTKEYS: 'x' }, 'KEYHOLD_ROOTKEYS is not a setting'],
    ['an invalid port', { KEYHOLD_PORT: '70000' }, 'KEYHOLD_PORT must be a whole number from 0 to 65535'],
    ['a TLS certificate but no key', { KEYHOLD_TLS_CERT: '/nonexistent' }, 'KEYHOLD_TLS_CERT'],
    [
      'the same root key twice',
      { KEYHOLD_ROOT_KEYS: `${'A'.repeat(43)}=,${'A'.repeat(43)}=` },
      'names one root key twice',
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
    stack.defer(() => void taken.close());
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
    stack.defer(() => fresh.drop());
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

describe('the address of a service', () => {
  it('the service warns of an address without TLS beyond loopback, but not on loopback or behind a proxy', async () => {
    const warning = 'this address is reached without TLS';
    expect((await start({ KEYHOLD_HOST: '0.0.0.0' })).stdout()).toContain(warning);
    expect((await start()).stdout()).not.toContain(warning);
    expect((await start({ KEYHOLD_HOST: '0.0.0.0', KEYHOLD_TRUST_PROXY: '127.0.0.1' })).stdout()).not.toContain(
      warning,
    );
  });

  it('the address of a client is taken from X-Forwarded-For only if a trusted proxy sent it', async () => {
    const ipOf = async (more: Env, header: string): Promise<string> => {
      const service = await start(more);
      const headers = { 'x-forwarded-for': header };
      const body = { username: 'admin', password: adminPassword };
      expectStatus(await send(service.url, 'POST', '/api/v1/auth/login', { headers, body }), 200);
      const { rows } = await database.client.query(
        `select ip from audit_log where action = 'login.create' order by id desc limit 1`,
      );
      await service.stop();
      return rows[0].ip;
    };
    expect(await ipOf({}, '192.0.2.9')).toBe('127.0.0.1');
    expect(await ipOf({ KEYHOLD_TRUST_PROXY: '192.0.2.1' }, '192.0.2.9')).toBe('127.0.0.1');
    expect(await ipOf({ KEYHOLD_TRUST_PROXY: '127.0.0.1' }, '192.0.2.9')).toBe('192.0.2.9');
    // Entries that the client itself wrote before the proxy's are ignored.
    expect(await ipOf({ KEYHOLD_TRUST_PROXY: '127.0.0.0/8' }, '198.51.100.7, 192.0.2.9')).toBe('192.0.2.9');
  });

  it('metrics are served without a token at a port of their own, and with a token only at the service’s port', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => free.once('listening', listening));
    const { port } = free.address() as { port: number };
    await new Promise((closed) => free.close(closed));
    const service = await start({ KEYHOLD_METRICS_PORT: String(port) });
    const open = await send(`http://127.0.0.1:${port}`, 'GET', '/metrics');
    expect(expectStatus(open, 200).text).toContain('keyhold_http_request_duration_seconds');
    expect((await send(`http://127.0.0.1:${port}`, 'GET', '/api/v1/secrets')).status).toBe(404);
    expectStatus(await send(service.url, 'GET', '/metrics'), 401);
    const { token } = await logInAdmin(onService(service));
    expectStatus(await send(service.url, 'GET', '/metrics', { token }), 200);
  });
});

const mayMakeCertificate = spawnSync('openssl', ['version']).status === 0;

describe('TLS', () => {
  it.runIf(mayMakeCertificate)('the service serves TLS with a certificate, and no plain HTTP', async () => {
    const directory = stack.use(await makeTempDir()).path;
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    spawnSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert]);
    const env = settings({ KEYHOLD_TLS_CERT: cert, KEYHOLD_TLS_KEY: key });
    const command = startCommand(['serve'], { env });
    const url = (await command.prints(/^Keyhold serves (https:\S+)/m))[1] ?? '';
    const ca = await readFile(cert);
    const ask = () =>
      new Promise<{ status: number; hsts: unknown }>((resolve, reject) => {
        const asking = request(`${url}/readyz`, { ca }, (response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, hsts: response.headers['strict-transport-security'] });
        });
        asking.once('error', reject).end();
      });
    await until('it is ready', 5000, async () => (await ask()).status === 200);
    expect((await ask()).hsts).toContain('max-age');
    await expect(fetch(`${url}/readyz`)).rejects.toThrow();
    await expect(fetch(`${url.replace('https', 'http')}/readyz`)).rejects.toThrow();
    command.signal('SIGTERM');
    expect(await command.ended).toMatchObject({ code: 0 });
  });
});
