import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { adminPassword } from '../support/app.ts';
import { isFull } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { send } from '../support/http.ts';
import { expectStatus, logInAdmin, type Person, people } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { type KeyFile, keyFile, newKey } from '../support/rotating.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const clients = 16;
const rounds = isFull ? 100 : 1;
/** A service that was killed counts as live for half a minute, in which no new root key can be promoted. */
const killedEvery = isFull ? 3 : 1;

const isOverloaded = ({ status, text }: { status: number; text: string }): boolean =>
  status === 503 && text.includes('"overloaded"');

interface Kept {
  readonly id: string;
  value: string;
}

describe('rotations under fire, over two services that are killed at random', () => {
  let directory: TempDir;
  let database: TestDatabase;
  let file: KeyFile;
  let env: Record<string, string>;
  /** Null while one is down: clients then use the other one. */
  const services: (ServiceProcess | null)[] = [null, null];
  let owners: Person[];
  const wrong: string[] = [];
  let answered = 0;

  const alive = (at: number): ServiceProcess | null => services[at % 2] ?? services[(at + 1) % 2] ?? null;

  /** One request to a service that is up. Null when the service was killed under it: its outcome is not known. */
  const request = async (at: number, method: string, path: string, options: object) => {
    const service = alive(at);
    if (!service) return null;
    try {
      return await send(service.url, method, `/api/v1${path}`, options);
    } catch (error) {
      if (alive(at) === service && services.includes(service)) throw error;
      return null;
    }
  };

  const call: (at: number) => Person['call'] = (at) => async (method, path, options) => {
    for (;;) {
      const answer = await request(at, method, path, options ?? {});
      if (answer && !isOverloaded(answer)) return answer;
      await pause(20);
    }
  };

  const complain = (what: string, answer: { status: number; text: string }): void => {
    wrong.push(`${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
  };

  /** Reads and writes of one client until it is told to stop; what it reads must be what it wrote last. */
  const client = async (at: number, owner: Person, stopped: () => boolean): Promise<void> => {
    const ask = (method: string, path: string, body?: object) =>
      call(at)(method, path, { token: owner.token, ...(body && { body }) });
    const kept: Kept[] = [];
    for (let turn = 0; !stopped(); turn += 1) {
      const known = kept[turn % Math.max(1, kept.length)];
      if (!known || turn % 5 === 0) {
        const value = `value ${at} ${turn}`;
        const made = await ask('POST', '/secrets', { name: `S_${at}_${turn}`, type: 'api_key', value });
        // A creation whose service was killed may have been made: the name is then taken.
        if (made.status === 201) kept.push({ id: made.body.id, value });
        else if (made.status !== 409) complain('create', made);
      } else if (turn % 7 === 0) {
        const value = `changed ${at} ${turn}`;
        const put = await ask('PUT', `/secrets/${known.id}/value`, { value });
        if (put.status === 200) known.value = value;
        else complain('set', put);
      } else {
        const read = await ask('GET', `/secrets/${known.id}/value`);
        if (read.status !== 200 || read.body.value !== known.value) complain(`read, expecting ${known.value}`, read);
      }
      answered += 1;
      await pause(5);
    }
  };

  const start = async (): Promise<ServiceProcess> => await startService({ env });

  beforeAll(async () => {
    directory = await makeTempDir();
    database = await freshDatabase();
    file = await keyFile(join(directory.path, 'root.key'), newKey().text);
    env = {
      KEYHOLD_DATABASE_URL: database.url('service'),
      KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
      KEYHOLD_ROOT_KEY_FILE: file.path,
      KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
      KEYHOLD_RATE_LIMIT: '1000000',
    };
    services[0] = await start();
    services[1] = await start();
    const app = { call: call(0) };
    const admin = await logInAdmin(app);
    owners = Object.values(await people(app, admin, 'ada', 'grace', 'linus', 'mary'));
  });
  afterAll(async () => {
    for (const service of services) await service?.stop();
    await database.drop();
    await directory[Symbol.asyncDispose]();
  });

  const kill = async (at: number): Promise<void> => {
    const victim = services[at];
    services[at] = null;
    await victim?.kill();
    services[at] = await start();
  };

  const admin = async () => await logInAdmin({ call: call(0) });

  const rotate = async (root: Person): Promise<void> => {
    const by = (method: string, path: string, body?: object) =>
      call(0)(method, path, { token: root.token, ...(body && { body }) });
    expectStatus(await by('POST', '/admin/keys/reencrypt', {}), 200);
    expectStatus(await by('POST', '/admin/keys/rotate-seal'), 200);
    await vi.waitFor(
      async () => expect(expectStatus(await by('POST', '/admin/keys/rotate-root'), 200).body.state).toBe('rewrapping'),
      { timeout: 60_000, interval: 500 },
    );
  };

  const unfinished = async (): Promise<number> =>
    Number(
      (await database.client.query(`select count(*) from jobs where state in ('queued', 'running')`)).rows[0].count,
    );

  it(
    `${rounds} rounds: every read answers right, no request fails, and at the end nothing needs an old key`,
    async () => {
      let stopping = false;
      const running = Array.from({ length: clients }, (_, at) =>
        client(at, owners[at % owners.length] as Person, () => stopping),
      );
      for (let round = 0; round < rounds; round += 1) {
        await rotate(await admin());
        await pause(Math.random() * 1000);
        if (round % killedEvery === killedEvery - 1) await kill(round % 2);
      }
      await vi.waitFor(async () => expect(await unfinished()).toBe(0), { timeout: 600_000, interval: 1000 });
      stopping = true;
      await Promise.all(running);
      expect(wrong).toEqual([]);
      process.stderr.write(`rotations under fire: ${rounds} rounds, ${answered} requests answered\n`);
      const root = await admin();
      const keys = await vi.waitFor(async () => {
        const { body } = expectStatus(await call(0)('GET', '/admin/keys', { token: root.token }), 200);
        // A service takes up within seconds what another one retired.
        const older = body.seal_keys.slice(1).map((key: { state: string }) => key.state);
        expect(new Set(older)).toEqual(new Set(['retired']));
        return body;
      }, 30_000);
      const [primary, ...others] = keys.root_keys;
      expect(primary.state).toBe('primary');
      expect(others.map((key: { owner_keys: number }) => key.owner_keys)).toEqual(others.map(() => 0));
      await onlyPrimary(primary.id);
    },
    isFull ? 5_400_000 : 900_000,
  );

  /** Without any of the old keys, everything opens. */
  const onlyPrimary = async (id: string): Promise<void> => {
    for (const service of services) await service?.stop();
    const lines = (await readKeys()).filter((line) => line.id === id);
    await file.write(...lines.map(({ text }) => text));
    services[0] = await start();
    services[1] = null;
    const { body } = expectStatus(await call(0)('GET', '/admin/keys', { token: (await admin()).token }), 200);
    expect(body.root_keys.filter((key: { state: string }) => key.state === 'primary')).toHaveLength(1);
    for (const owner of owners) {
      const { rows } = await database.client.query('select id from secrets where owner_id = $1 limit 50', [owner.id]);
      const fresh = await call(0)('POST', '/auth/login', {
        body: { username: owner.username, password: 'a password for tests' },
      });
      for (const row of rows)
        expectStatus(await call(0)('GET', `/secrets/${row.id}/value`, { token: fresh.body.access_token }), 200);
    }
  };

  const readKeys = async () => {
    const { readFile } = await import('node:fs/promises');
    const { parseRootKey } = await import('../../src/config/root-keys.ts');
    const texts = (await readFile(file.path, 'utf8')).split('\n').filter((line) => line !== '');
    return texts.map((text) => ({ text, id: parseRootKey(text)?.id ?? '' }));
  };
});
