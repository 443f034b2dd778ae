import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { joinEmbedded } from '../../src/db/embedded/index.ts';
import { adminPassword, newRootKey } from '../support/app.ts';
import {
  type Contents,
  contentsOf,
  differences,
  hasOtherServer,
  keyhold,
  type OtherServer,
  onEmbedded,
  startOtherServer,
} from '../support/backups.ts';
import { createWriter } from '../support/busy-writers.ts';
import { startCommand } from '../support/command.ts';
import { until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { send } from '../support/http.ts';
import { openTerminal } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { limiter, mayLimit, mayMount, mountDisk, unmountDisk } from '../support/small-disk.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

type Env = Record<string, string>;

let service: EmbeddedService;
let directory: TempDir;
let ada: Person;
let grace: Person;
let secretId: string;

beforeAll(async () => {
  directory = await makeTempDir();
  service = await startEmbeddedService();
  ({ ada, grace } = await people(service, await logInAdmin(service), 'ada', 'grace'));
  const kept = await keepSecret(ada, {
    value: 'tab\there, NUL \u0000, backslash \\N \\. and line\nfeed',
    description: 'C:\\temp\\new\n\\.\n\ttab',
    tags: [],
    metadata: { '\\N': '\\', nested: { 'line\nfeed': [1.5, null, '\t'] } },
    scope: 'shared',
    shared_with: [grace.id],
  });
  secretId = kept.id;
  expectStatus(await ada.call('PUT', `/secrets/${secretId}/value`, { body: { value: 'the second value' } }), 200);
  await startSession(ada, [grace], { external_id: 'chat', title: 'Grüße\u2028🔑' });
  await keepSecret(ada, { name: 'ONCE' }, { headers: { 'idempotency-key': 'once' } });
  // The service gives events their positions apart from requests.
  await until('every event has its position', 5000, () => onEmbedded(service.dataDir, hasPositions));
});

const hasPositions = async (client: pg.Client): Promise<boolean> =>
  (await client.query('select 1 from public.events where position is null limit 1')).rows.length === 0;

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

let count = 0;
const newPath = (what: string): string => {
  count += 1;
  return join(directory.path, `${what}-${count}`);
};

const sourceEnv = (): Env => {
  const { KEYHOLD_DATA_DIR = '', KEYHOLD_CONFIG_DIR = '' } = service.env;
  return { KEYHOLD_DATA_DIR, KEYHOLD_CONFIG_DIR };
};

/** The settings of another machine with the same root key. */
const elsewhere = (more: Env = {}): Env => ({ ...sourceEnv(), KEYHOLD_DATA_DIR: newPath('data'), ...more });

const backUp = async (env: Env = sourceEnv(), ...more: string[]): Promise<string> => {
  const path = newPath('backup');
  const { code, err } = await keyhold(env, 'backup', path, ...more);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return path;
};

const restore = async (env: Env, ...args: string[]): Promise<void> => {
  const { code, err } = await keyhold(env, 'restore', ...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
};

/** Runs `work` on a service with these settings. */
const serving = async <T>(env: Env, work: (running: ServiceProcess) => Promise<T>): Promise<T> => {
  const running = await startService({ env: { KEYHOLD_RATE_LIMIT: '100000', ...env } });
  try {
    return await work(running);
  } finally {
    await running.stop();
  }
};

const onService = ({ url }: ServiceProcess) => ({
  call: (method: string, path: string, options = {}) => send(url, method, `/api/v1${path}`, options),
});

const contentsAt = async (env: Env): Promise<Contents> => {
  const url = env['KEYHOLD_DATABASE_URL'];
  if (url === undefined) return await onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', contentsOf);
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await contentsOf(client);
  } finally {
    await client.end();
  }
};

/** What a service finds right after it has started on a restored database, without what its start wrote. */
const expectSameRows = async (before: Contents, env: Env): Promise<void> =>
  serving(env, async () => expect(differences(before, await contentsAt(env))).toEqual([]));

/** Everybody can log in, reveal and write to each table. */
const expectWorks = async (env: Env): Promise<void> =>
  serving(env, async (running) => {
    const app = onService(running);
    const again = await logIn(app, 'ada');
    expect((await again.call('GET', `/secrets/${secretId}/value`)).body.value).toBe('the second value');
    const restored = await again.call('POST', `/secrets/${secretId}/versions/1/restore`);
    expect(restored.status).toBe(201);
    const shared = await (await logIn(app, 'grace')).call('GET', `/secrets/${secretId}/value`);
    expect(shared.body.value).toBe('tab\there, NUL \u0000, backslash \\N \\. and line\nfeed');
    // Tokens of before are valid by design.
    expect((await app.call('GET', '/auth/me', { token: ada.token })).status).toBe(200);
    const repeated = await again.call('POST', '/secrets', {
      headers: { 'idempotency-key': 'once' },
      body: { name: 'ONCE', type: 'api_key', value: 'the value' },
    });
    expect(repeated.status).toBe(201);
    await keepSecret(again, {}, { headers: { 'idempotency-key': 'another' } });
    await startSession(again, [], { external_id: 'another' });
    const token = { name: 't', permissions: ['secrets:list'], expires_in: 60 };
    expectStatus(await again.call('POST', '/auth/tokens', { body: token }), 201);
    const admin = await logInAdmin(app);
    const { id } = expectStatus(
      await admin.call('POST', '/users', { body: { username: 'late', password: 'a password for tests' } }),
      201,
    ).body;
    expectStatus(await admin.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } }), 200);
    expect((await app.call('POST', '/auth/login', { body: { username: 'late', password: 'x' } })).status).toBe(401);
  });

describe('a restored database', () => {
  it('a backup restores every row of every table into an embedded database, where everything works', async () => {
    const before = await onEmbedded(service.dataDir, contentsOf);
    const env = elsewhere();
    await restore(env, await backUp());
    await expectSameRows(before, env);
    await expectWorks(env);
    expect((await keyhold(env, 'doctor', '--full')).out).toContain('restores: 1 restores, 1 not released');
  });

  describe.runIf(hasOtherServer)('on a server of another version', () => {
    let server: OtherServer;
    beforeAll(async () => {
      server = await startOtherServer();
    });
    afterAll(() => server?.[Symbol.asyncDispose]());

    it('a backup of an embedded database restores every row into an external one of an earlier PostgreSQL, and back', async () => {
      expect(server.version).toBeLessThan(18);
      const before = await onEmbedded(service.dataDir, contentsOf);
      const external = elsewhere({ KEYHOLD_DATABASE_URL: await server.newDatabase() });
      await restore(external, await backUp());
      await expectSameRows(before, external);
      const between = await contentsAt(external);
      const back = elsewhere();
      await restore(back, await backUp(external));
      await expectSameRows(between, back);
      await expectWorks(external);
      await expectWorks(back);
    });

    it('a backup is not restored into a database that a service would refuse, such as one that is not in UTF-8', async () => {
      const path = await backUp();
      const latin = elsewhere({ KEYHOLD_DATABASE_URL: await server.newDatabase('LATIN1') });
      const { code, err } = await keyhold(latin, 'restore', path);
      expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('not UTF-8') });
      await restore(elsewhere({ KEYHOLD_DATABASE_URL: await server.newDatabase() }), path);
    });
  });

  it('rows that were changed outside of Keyhold are restored as they stand, and named by the backup', async () => {
    const env = elsewhere();
    await restore(env, await backUp());
    const odd = elsewhere();
    const path = newPath('backup');
    await serving(env, async () => {
      await onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', async (client) => {
        await client.query(`update users set metadata = '{"large": 123456789012345678901234567890.123456789, "e": 1e400}',
          secrets_from = 'infinity', email = E'\\\\N' where username = 'ada'`);
        await client.query(`update secrets set expires_at = '-infinity', tags = '[]', description = '' where id = $1`, [
          secretId,
        ]);
        await client.query(`update logins set created_at = '4714-11-24 00:00:00+00 BC', user_agent = E'a\\tb\\nc\\rd'`);
      });
      const strict = await keyhold(env, 'backup', path, '--strict');
      expect(strict).toMatchObject({ code: 6, err: expect.stringContaining(`users ${ada.id}`) });
      expect(existsSync(path)).toBe(false);
      const before = await contentsAt(env);
      const made = await keyhold(env, 'backup', path);
      expect(made.code).toBe(1);
      expect(made.err).toContain(`users ${ada.id}`);
      expect(made.err).toContain(`secrets ${secretId}`);
      expect((await keyhold(odd, 'restore', path)).code).toBe(0);
      await expectSameRows(before, odd);
    });
  });

  it('a backup made while others write holds every write that was acknowledged before it began', async () => {
    const writers = [createWriter(ada, grace), createWriter(grace, ada)];
    const stop = new AbortController();
    const running = writers.map((writer) => writer.run(stop.signal));
    await until('there is some load', 30_000, async () => writers.every(({ acknowledged }) => acknowledged.size > 50));
    const acknowledged = writers.flatMap((writer) => [...writer.acknowledged.keys()]);
    const secrets = writers.flatMap((writer) => writer.secrets.map(({ id }) => id));
    const path = await backUp();
    stop.abort();
    await Promise.all(running);
    expect(writers.flatMap(({ wrong }) => wrong)).toEqual([]);
    const env = elsewhere();
    await restore(env, path);
    await serving(env, () =>
      onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', async (client) => {
        const agents = await client.query('select user_agent from audit_log');
        const stored = new Set(agents.rows.map(({ user_agent }) => user_agent));
        expect(acknowledged.filter((agent) => !stored.has(agent))).toEqual([]);
        const found = await client.query('select count(*)::int as n from secrets where id = any($1)', [secrets]);
        expect(found.rows[0].n).toBe(secrets.length);
      }),
    );
    expect((await keyhold(env, 'doctor', '--full', '--json')).out).not.toContain('is not valid');
  });
});

describe('keys', () => {
  it('a restore without the root key, or with another one, names the key and touches nothing', async () => {
    const path = await backUp();
    const header = JSON.parse((await readFile(path, 'latin1')).split('\n')[0] ?? '');
    const none = elsewhere({ KEYHOLD_CONFIG_DIR: newPath('config') });
    const other = elsewhere({ KEYHOLD_ROOT_KEYS: newRootKey() });
    for (const env of [none, other]) {
      const { code, err } = await keyhold(env, 'restore', path);
      expect(code).toBe(2);
      expect(err).toContain(`needs root key ${header.root_key}`);
      expect(existsSync(env['KEYHOLD_DATA_DIR'] ?? '')).toBe(false);
    }
    await restore(elsewhere(), path);
  });

  it('a backup for an age recipient needs an identity of theirs and the root key, and the refusal says which is missing', async () => {
    const identity = await generateIdentity();
    const path = await backUp(sourceEnv(), '--recipient', await identityToRecipient(identity));
    const [right, wrong] = [newPath('identity'), newPath('identity')];
    await writeFile(right, `# created: today\n${identity}\n`);
    await writeFile(wrong, `${await generateIdentity()}\n`);
    const env = elsewhere();
    expect(await keyhold(env, 'restore', path)).toMatchObject({ code: 2, err: expect.stringContaining('--identity') });
    const other = await keyhold(env, 'restore', path, '--identity', wrong);
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('None of the age identities') });
    const noKey = await keyhold({ ...env, KEYHOLD_ROOT_KEYS: newRootKey() }, 'restore', path, '--identity', right);
    expect(noKey).toMatchObject({ code: 2, err: expect.stringContaining('needs root key') });
    expect(existsSync(env['KEYHOLD_DATA_DIR'] ?? '')).toBe(false);
    await restore(env, path, '--identity', right);
  });

  it('a recipient that is not one is refused before anything is written', async () => {
    const path = newPath('backup');
    expect(await keyhold(sourceEnv(), 'backup', path, '--recipient', 'ada@example.org')).toMatchObject({ code: 2 });
    expect(existsSync(path)).toBe(false);
  });
});

/** What an interrupted restore has left in the embedded database, whose server it left running. */
const stateOf = async (env: Env): Promise<string> => {
  const joined = await joinEmbedded({ dataDir: env['KEYHOLD_DATA_DIR'] ?? '', log: () => undefined });
  if (joined === null) return 'not there';
  return await onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', async (client) => {
    const { rows } = await client.query(`select relname from pg_class where relnamespace = 'public'::regnamespace`);
    if (rows.length === 0) return 'empty';
    const restored = await client.query('select id from public.restores');
    return restored.rows.length === 1 ? 'whole' : `in between: ${rows.map(({ relname }) => relname)}`;
  }).catch((error: Error) => (/does not exist|not yet accepting/.test(error.message) ? 'not there' : error.message));
};

describe('the target', () => {
  it('a backup is not restored over a database that holds anything', async () => {
    const path = await backUp();
    const used = elsewhere();
    await restore(used, path);
    const again = await keyhold(used, 'restore', path);
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining('not empty') });
    const running = await keyhold(sourceEnv(), 'restore', path);
    expect(running).toMatchObject({ code: 2, err: expect.stringContaining('Another Keyhold runs') });
    expect((await service.call('GET', '/auth/me', { token: ada.token })).status).toBe(200);
  });

  it('a restore that is killed at any moment leaves a database that another restore fills, or a whole one', async () => {
    const before = await onEmbedded(service.dataDir, contentsOf);
    const path = await backUp();
    const env = elsewhere();
    let whole = false;
    for (let pauseMs = 200; !whole; pauseMs *= 1.25) {
      const command = startCommand(['restore', path], { env });
      const timer = setTimeout(() => command.signal('SIGKILL'), pauseMs);
      const { code } = await command.ended;
      clearTimeout(timer);
      expect(await stateOf(env)).toMatch(/^(not there|empty|whole)$/);
      // Refused because the one before was complete when it was killed, or done.
      whole = code !== null;
      expect([null, 0, 2]).toContain(code);
    }
    await serving(env, async () => {
      const after = await contentsAt(env);
      expect(after.get('restores')).toHaveLength(1);
      expect(differences(before, after)).toEqual([]);
    });
  });
});

describe('the file', () => {
  it('a backup has mode 0600, and never overwrites a file without --force', async () => {
    const path = await backUp();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const first = await readFile(path);
    expect(await keyhold(sourceEnv(), 'backup', path)).toMatchObject({ code: 6 });
    expect(await readFile(path)).toEqual(first);
    expect(await keyhold(sourceEnv(), 'backup', path, '--force')).toMatchObject({ code: 0 });
    expect(await readFile(path)).not.toEqual(first);
  });

  it.runIf(mayLimit)('a backup that cannot be written to its end leaves no file and says why', async () => {
    const path = newPath('backup');
    const command = startCommand(['--fsize=4096', process.execPath, 'src/main.ts', 'backup', path], {
      env: sourceEnv(),
      program: [limiter],
    });
    const { code, err } = await command.ended;
    expect(code).toBe(9);
    expect(err).toContain(`${path} could not be written: `);
    expect(await readdir(directory.path)).not.toContainEqual(expect.stringContaining('.partial'));
    expect(existsSync(path)).toBe(false);
    expect(await keyhold(sourceEnv(), 'backup', path)).toMatchObject({ code: 0 });
  });

  it.runIf(mayMount)('a backup on a full disk leaves no file and says that there is no space', async () => {
    const small = join(directory.path, 'small');
    await mkdir(small);
    expect(mountDisk(small, '8k')).toBe(true);
    try {
      const { code, err } = await keyhold(sourceEnv(), 'backup', join(small, 'backup'));
      expect({ code, err }).toEqual({ code: 9, err: expect.stringContaining('no space is left on the device') });
      expect(await readdir(small)).toEqual([]);
      const exported = await keyhold(sourceEnv(), 'audit', 'export', join(small, 'audit'));
      expect({ code: exported.code, left: await readdir(small) }).toEqual({ code: 9, left: [] });
    } finally {
      unmountDisk(small);
    }
  });

  it('a backup and a restore on a terminal show how far they are', async () => {
    const path = newPath('backup');
    const writing = openTerminal(process.execPath, ['bin/keyhold.mjs', 'backup', path], sourceEnv());
    await writing.shows('Wrote ');
    expect((await writing.ended).code).toBe(0);
    expect(writing.shown()).toMatch(/Writing \[#* *\] \d+\/\d+/);
    expect(writing.shown()).toMatch(/Reading again \[#{30}\]/);
    const restoring = openTerminal(process.execPath, ['bin/keyhold.mjs', 'restore', path], elsewhere());
    expect((await restoring.ended).code).toBe(0);
    expect(restoring.shown()).toMatch(/Verifying \[#{30}\]/);
    expect(restoring.shown()).toMatch(/Restoring \[#{30}\]/);
  });

  it('a backup, an export and a restore are on the record of the database that they are about', async () => {
    const recordsAt = (dataDir: string) =>
      onEmbedded(dataDir, async (client) => {
        const { rows } = await client.query(`select action, actor_id, reason, details from audit_log
          where action like 'backup.%' or action = 'audit.export' order by id desc limit 1`);
        return rows[0];
      });
    const path = await backUp();
    const { id } = JSON.parse((await readFile(path, 'latin1')).split('\n')[0] ?? '');
    const made = await recordsAt(service.dataDir);
    expect(made).toMatchObject({ action: 'backup.create', actor_id: null, reason: 'operator' });
    expect(made.details).toMatchObject({ backup_id: id, broken: 0, operator: true });
    const exported = await keyhold(sourceEnv(), 'audit', 'export');
    expect(exported.code).toBe(0);
    const lines = exported.out.trimEnd().split('\n');
    const last = await recordsAt(service.dataDir);
    expect(last).toMatchObject({ action: 'audit.export', details: { records: lines.length - 2 } });
    const env = elsewhere();
    await restore(env, path);
    await serving(env, async () => {
      const restored = await recordsAt(env['KEYHOLD_DATA_DIR'] ?? '');
      expect(restored).toMatchObject({ action: 'backup.restore', reason: 'operator', details: { backup_id: id } });
    });
  });

  it('a backup that is killed leaves no file of its name, and one that is interrupted none at all', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const path = newPath('backup');
      const command = startCommand(['backup', path], { env: sourceEnv() });
      await until('it writes', 10_000, async () =>
        (await readdir(directory.path)).some((name) => join(directory.path, name).startsWith(`${path}.`)),
      );
      command.signal(signal);
      const { code } = await command.ended;
      // It may have ended before the signal came.
      expect(existsSync(path)).toBe(code === 0);
      const left = (await readdir(directory.path)).filter((name) => join(directory.path, name).startsWith(`${path}.`));
      if (signal === 'SIGTERM') expect(left).toEqual([]);
    }
  });

  it('a file that is no backup is refused', async () => {
    const path = newPath('other');
    await writeFile(path, 'hello\n');
    expect(await keyhold(elsewhere(), 'restore', path)).toMatchObject({ code: 2 });
    expect(await keyhold(elsewhere(), 'restore', newPath('missing'))).toMatchObject({ code: 2 });
    expect(await keyhold(elsewhere(), 'restore')).toMatchObject({ code: 2 });
  });
});

describe('what was held back', () => {
  it('after a restore, the start and the doctor say that nothing is deleted because of its age, until it is released', async () => {
    const env = elsewhere({ KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword });
    const { id } = await keepSecret(ada, { value: 'deleted before the backup' });
    expectStatus(await ada.call('DELETE', `/secrets/${id}`), 204);
    await restore(env, await backUp());
    await serving(env, async (running) => {
      expect(running.stdout()).toContain('keyhold restore --release');
      const { code, out } = await keyhold(env, 'doctor');
      expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('not released') });
      expect(out).toContain('Deleted secrets: 1.');
      expect(await keyhold(env, 'restore', '--release')).toMatchObject({ code: 0 });
      expect(await keyhold(env, 'doctor')).toMatchObject({ code: 0 });
    });
    await serving(env, async (running) => expect(running.stdout()).not.toContain('--release'));
  });
});
