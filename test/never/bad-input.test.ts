import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import { loadRootKeys } from '../../src/config/root-keys.ts';
import { operator } from '../../src/core/caller.ts';
import { systemClock } from '../../src/core/clock.ts';
import { errorCodes } from '../../src/core/errors.ts';
import { newId, type UserId } from '../../src/core/ids.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createOwnerKeys, createSeals, openServiceKeys } from '../../src/keys/index.ts';
import { insertUser } from '../../src/users/create.ts';
import { newRootKey } from '../support/app.ts';
import { count, seed } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { type RequestOptions, send } from '../support/http.ts';
import { dice, families, type Malformed, type World } from '../support/malformed.ts';
import { expectStatus, keepSecret, logIn, type Person, people, startSession, uniqueName } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { dripping, exchange, type RawAnswer, type SlowConnection } from '../support/raw-http.ts';

const adminPassword = 'the first admin password';
const megabyte = 1024 * 1024;

describe('bad input', () => {
  let database: TestDatabase;
  let service: ServiceProcess;
  let admin: Person;
  let ada: Person;
  let grace: Person;
  let world: World;
  let slow: Readonly<Record<string, SlowConnection[]>>;
  let slowSince: number;
  const rootKey = newRootKey();

  const app = {
    call: (method: string, path: string, options: RequestOptions = {}) =>
      send(service.url, method, `/api/v1${path}`, options),
  };

  beforeAll(async () => {
    database = await freshDatabase();
    service = await startService({
      env: {
        KEYHOLD_DATABASE_URL: database.url('service'),
        KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
        KEYHOLD_ROOT_KEYS: rootKey,
        KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
        KEYHOLD_RATE_LIMIT: '1000000',
      },
    });
    admin = await logIn(app, 'admin', adminPassword);
    ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
    const session = await startSession(ada, [grace]);
    const secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id], tags: ['a'], metadata: { a: 1 } });
    expectStatus(await ada.call('PUT', `/secrets/${secret.id}/value`, { body: { value: 'second' } }), 200);
    const token = { name: 'a token', permissions: ['secrets:list'], expires_in: 3600 };
    const made = expectStatus(await ada.call('POST', '/auth/tokens', { body: token }), 201).body;
    world = {
      token: ada.token,
      secretId: secret.id,
      sessionId: session.id,
      userId: grace.id,
      ownId: ada.id,
      tokenId: made.id,
    };
    // They take their time; everything below goes on meanwhile.
    slow = openSlowly();
    slowSince = Date.now();
  });
  afterAll(async () => {
    for (const one of Object.values(slow ?? {}).flat()) one.close();
    await service?.stop();
    await database?.drop();
  });

  const openSlowly = () => {
    const many = (first: string, drops: string) =>
      Array.from({ length: 25 }, () => dripping(service.url, first, drops));
    const head = `POST /api/v1/secrets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: application/json\r\n`;
    return {
      'nothing at all': many('', ''),
      'half a request line': many('GET /api', ''),
      'a header that never ends': many('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ', 'y'),
      'headers that never end': many('GET /healthz HTTP/1.1\r\nHost: localhost\r\n', 'X: y\r\n'),
      'a body that never comes': many(`${head}Content-Length: 1000\r\n\r\n`, ''),
      'a body that drips': many(`${head}Content-Length: 1000\r\n\r\n{"name":"`, 'x'),
      'chunks that drip': many(`${head}Transfer-Encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
    };
  };

  /** Every row of every table but those that may tell of refusals; when something was last used is no change. */
  const digest = async (): Promise<string> => {
    const { rows } = await database.client.query(`select tablename as name from pg_tables where schemaname = 'public'
      and tablename not in ('audit_log', 'login_failures') order by 1`);
    const lines: string[] = [];
    for (const { name } of rows) {
      const content = await database.client.query(`select count(*)::int as rows,
        md5(string_agg(md5((to_jsonb(t) - 'last_used_at')::text), '' order by (to_jsonb(t) - 'last_used_at')::text)) as md5
        from ${name} t`);
      lines.push(`${name} ${content.rows[0].rows} ${content.rows[0].md5}`);
    }
    return lines.join('\n');
  };

  /** Users written as the service writes them, in one transaction: 1,000 requests would take longer than all the rest. */
  const insertMany = async (size: number): Promise<string[]> => {
    const rootKeys = loadRootKeys({ KEYHOLD_ROOT_KEYS: rootKey }, '/nonexistent');
    await using own = { ...database.open(2), [Symbol.asyncDispose]: () => own.close() };
    const seals = createSeals(await openServiceKeys(own.db, systemClock, rootKeys));
    const audit = createAudit({ clock: systemClock, seals, onRecord: () => undefined });
    const ownerKeys = createOwnerKeys({ clock: systemClock, rootKeys, seals });
    const ids = Array.from({ length: size }, () => newId<UserId>());
    await inTransaction(own.db, async (tx) => {
      for (const id of ids) {
        const nothing = { passwordHash: null, email: null, displayName: null, metadata: {}, external: null };
        const user = { ...nothing, id, username: `many ${id}`, role: 'member' as const };
        await insertUser({ clock: systemClock, audit, ownerKeys }, tx, user, { actor: operator('test'), details: {} });
      }
    });
    return ids;
  };

  const gauge = async (name: string): Promise<number> => {
    const response = await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${admin.token}` } });
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await response.text())?.[1]);
  };

  /** What is wrong with the answer to a malformed request; null when it is as it should be. */
  const fault = ({ mayHangUp }: Malformed, answer: RawAnswer): string | null => {
    if (answer.open) return 'still open';
    if (answer.status === 0) return mayHangUp ? null : 'no answer';
    if (answer.status < 400 || answer.status > 499) return `status ${answer.status}`;
    return answer.body === '' ? null : faultOfProblem(answer);
  };

  const faultOfProblem = ({ status, headers, body }: RawAnswer): string | null => {
    if (!headers.get('content-type')?.startsWith('application/problem+json')) return 'no problem+json';
    const problem = JSON.parse(body);
    if (!errorCodes.includes(problem.code) || problem.code === 'internal') return `code ${problem.code}`;
    if (problem.status !== status) return `status ${problem.status} in the body`;
    if (problem.type !== `urn:keyhold:problem:${problem.code}`) return `type ${problem.type}`;
    if (!/^[^\n]{8,}\.$/.test(problem.detail)) return `detail ${JSON.stringify(problem.detail)}`;
    return /node_modules|\.ts:\d|\n\s+at |PostgreSQL|syntax error|violates|select /i.test(body)
      ? 'tells of the inside'
      : null;
  };

  /** Imports take turns: one that is told so comes again, as a client does. */
  const askUntilHeard = async ({ bytes, halfClose = false }: Malformed): Promise<RawAnswer> => {
    for (let tries = 1; ; tries += 1) {
      const answer = await exchange(service.url, bytes, { halfClose });
      if (answer.status !== 503 || !answer.body.includes('Another import') || tries > 100) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  const atOnce = 16;

  const run = async (requests: readonly Malformed[]): Promise<string[]> => {
    const faults: string[] = [];
    const queue = [...requests];
    const worker = async (): Promise<void> => {
      for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
        const answer = await askUntilHeard(one);
        const wrong = fault(one, answer);
        if (wrong !== null) faults.push(`${wrong}: ${one.what} → ${answer.status} ${answer.body.slice(0, 300)}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return faults;
  };

  it('is refused with 4xx and a sentence, changes nothing, and leaves the memory flat', async () => {
    const roll = dice(seed);
    const kinds = families(world, roll);
    const generate = (size: number): Malformed[] =>
      Array.from({ length: size }, (_, at) => (kinds[at % kinds.length] as () => Malformed)());
    const before = await digest();
    const total = count(10_000);
    const batches = 5;
    const resident: number[] = [];
    const heap: number[] = [];
    for (let batch = 0; batch < batches; batch += 1) {
      expect(await run(generate(Math.ceil(total / batches)))).toEqual([]);
      resident.push(await gauge('process_resident_memory_bytes'));
      heap.push(await gauge('nodejs_heap_size_used_bytes'));
    }
    expect(await digest()).toBe(before);
    // The first batch warms up: code is compiled, pools are filled. A leak of 20 KB a request would show.
    const grown = (list: readonly number[]): number => Math.min(...list.slice(-2)) - (list[0] ?? 0);
    expect(grown(resident)).toBeLessThan(60 * megabyte + total * 10_000);
    expect(grown(heap)).toBeLessThan(30 * megabyte + total * 5000);
    expect(service.stderr()).toBe('');
    expect(service.stdout()).not.toMatch(/unexpected error|"level":(50|60)/);
  }, 900_000);

  it('would be found if it changed something', async () => {
    const before = await digest();
    const { id } = await keepSecret(ada);
    const after = await digest();
    expect(after).not.toBe(before);
    expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { type: 'token' } }), 200);
    expect(await digest()).not.toBe(after);
  });

  it('that comes slowly doesn’t keep others waiting', async () => {
    const open = await Promise.all(
      Object.values(slow).flatMap((list) => list.map((one) => one.ended(1).then((answer) => answer === null))),
    );
    // By now some are hung up on already; what counts is that everybody else is served.
    expect(open.length).toBe(175);
    for (let times = 0; times < 20; times += 1) expect((await ada.call('GET', '/auth/me')).status).toBe(200);
  });

  it('that is broken off in an import leaves the next import its turn', async () => {
    const head = `POST /api/v1/secrets/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.token}\r\n`;
    const text = `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"items":[`;
    // Gone before the service has looked at the credential, while it does, and while it reads.
    for (const after of [0, 1, 2, 3, 5, 8, 13, 21].flatMap((ms) => Array<number>(5).fill(ms))) {
      const one = dripping(service.url, text, '');
      await new Promise((resolve) => setTimeout(resolve, after));
      one.close();
    }
    const items = [{ name: uniqueName('AFTER'), type: 'other', value: 'v' }];
    await vi.waitFor(
      async () =>
        expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201),
      { timeout: 10_000, interval: 100 },
    );
  });

  describe('that is the largest which is right is taken', () => {
    const create = (body: Record<string, unknown>) => keepSecret(ada, body);
    const patch = async (id: string, body: Record<string, unknown>) =>
      expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body }), 200).body;
    const refused = async (body: Record<string, unknown>) => {
      const whole = { name: uniqueName(), type: 'other', value: 'v', ...body };
      expect((await ada.call('POST', '/secrets', { body: whole })).status).toBe(400);
    };
    const nested = (levels: number): Record<string, unknown> => (levels === 1 ? { a: 1 } : { a: nested(levels - 1) });
    const astral = '\u{1f511}';

    it('metadata of exactly 16 KiB and of 8 levels', async () => {
      const frame = JSON.stringify({ a: '' }).length;
      for (const text of [
        'x'.repeat(16_384 - frame),
        `${'ü'.repeat((16_384 - frame) / 2)}`,
        `${astral.repeat((16_384 - frame) / 4)}`,
      ]) {
        const metadata = { a: text };
        expect(Buffer.byteLength(JSON.stringify(metadata))).toBe(16_384);
        expect((await create({ metadata })).metadata).toEqual(metadata);
        await refused({ metadata: { a: `${text}x` } });
      }
      expect((await create({ metadata: nested(8) })).metadata).toEqual(nested(8));
      await refused({ metadata: nested(9) });
    });

    it('numbers that stay what they are', async () => {
      const metadata = { n: [0, -1, 1.5, 1e21, 5e-324, 1.7976931348623157e308, 9_007_199_254_740_991, 0.1, 123e-20] };
      const { id } = await create({ metadata });
      expect((await ada.call('GET', `/secrets/${id}`)).body.metadata).toEqual(metadata);
    });

    it('32 tags of 64 characters, of any plane', async () => {
      for (const character of ['x', 'é', '語', astral, '\u0301', '\u200d']) {
        const tags = Array.from({ length: 32 }, () => character.repeat(64));
        expect((await create({ tags })).tags).toEqual(tags);
        await refused({ tags: [...tags, 'x'] });
        await refused({ tags: [character.repeat(65)] });
      }
    });

    it('a name of 256 characters', async () => {
      const name = uniqueName('N').padEnd(256, '.');
      expect((await create({ name })).name).toBe(name);
      await refused({ name: `${name}x` });
    });

    it('a description of 1,024 characters, of any plane', async () => {
      const { id } = await create({});
      // Families, flags and marks: one of what is seen is many characters.
      for (const unit of ['x', 'é', '語', astral, '\u0301', '\u200d', '\ufeff', '\u{10fffd}']) {
        const description = unit.repeat(1024);
        expect((await patch(id, { description })).description).toBe(description);
        await refused({ description: `${description}${unit}` });
      }
      for (const cluster of ['👨‍👩‍👧‍👦', '🇩🇪', 'e\u0301\u0302\u0303'])
        await refused({ description: cluster.repeat(1024) });
    });

    it('names of 128 and titles of 256 characters, of any plane', async () => {
      for (const unit of ['x', '語', astral]) {
        const body = { name: unit.repeat(128), agent: unit.repeat(128), permissions: ['secrets:list'], expires_in: 60 };
        expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201);
        const title = unit.repeat(256);
        expect((await startSession(ada, [], { title })).title).toBe(title);
        const display_name = unit.repeat(128);
        expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { display_name } }), 200);
        const username = unit.repeat(128);
        expect(
          (await expectStatus(await admin.call('POST', '/users', { body: { username } }), 201)).body.username,
        ).toBe(username);
      }
      const email = `${'x'.repeat(200)}@${'y'.repeat(53)}`;
      expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { email } }), 200);
      const marks = `${'e\u0301'.repeat(60)}@${'語'.repeat(133)}`;
      expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { email: marks } }), 200);
    });

    it('an external id of 128 characters, which every route and header then takes', async () => {
      const external_id = `a:${'b'.repeat(125)}.`;
      const session = await startSession(ada, [grace], { external_id });
      expect((await ada.call('GET', `/sessions/${external_id}`)).body.id).toBe(session.id);
      const secret = await create({ scope: 'session', session_id: external_id });
      expectStatus(await grace.call('GET', `/secrets/${secret.id}/value`, { session: external_id }), 200);
      expect((await ada.call('GET', `/secrets?session_id=${session.id}`)).body.secrets).toHaveLength(1);
    });

    it('passwords of 12 and of 128 characters', async () => {
      for (const password of ['x'.repeat(12), astral.repeat(12), astral.repeat(128)]) {
        const username = uniqueName('user');
        expectStatus(await admin.call('POST', '/users', { body: { username, password } }), 201);
        expect((await logIn(app, username, password)).username).toBe(username);
      }
    });

    it('instants far away, and in every way of writing them', async () => {
      for (const [given, kept] of [
        ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
        ['2040-02-29t12:00:00z', '2040-02-29T12:00:00.000Z'],
        ['2040-01-01T00:00:00.5+14:00', '2039-12-31T10:00:00.500Z'],
      ]) {
        const { id } = await create({ expires_at: given, rotate_after: given });
        expect((await ada.call('GET', `/secrets/${id}`)).body).toMatchObject({ expires_at: kept, rotate_after: kept });
      }
      for (const rotate_after of ['1800-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z']) {
        const { id } = await create({ rotate_after });
        expect((await ada.call('GET', `/secrets/${id}`)).body.rotate_after).toBe(rotate_after);
      }
    });

    it('bodies just below the limit', async () => {
      const pad = (body: Record<string, unknown>, size: number): string => {
        const text = JSON.stringify(body);
        return `${text.slice(0, -1)}${' '.repeat(size - text.length)}}`;
      };
      const { id } = await create({});
      const raw = async (method: string, path: string, body: string): Promise<number> =>
        (
          await fetch(`${service.url}/api/v1${path}`, {
            method,
            body,
            headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
          })
        ).status;
      expect(await raw('PATCH', `/secrets/${id}`, pad({ type: 'token' }, 262_144))).toBe(200);
      expect(await raw('PATCH', `/secrets/${id}`, pad({ type: 'token' }, 262_145))).toBe(413);
      expect(await raw('PUT', `/secrets/${id}/value`, pad({ value: 'v' }, 524_288))).toBe(200);
      expect(await raw('PUT', `/secrets/${id}/value`, pad({ value: 'v' }, 524_289))).toBe(413);
      // A value of 64 KiB whose every byte is written as an escape.
      const escaped = `{"value":"${'\\u0000'.repeat(65_536)}"}`;
      expect(await raw('PUT', `/secrets/${id}/value`, escaped)).toBe(200);
    });

    it('a secret that is shared with 1,000 users', async () => {
      const made = await insertMany(1000);
      const { id, shared_with } = await create({ scope: 'shared', shared_with: made });
      expect(shared_with).toEqual(made);
      const one = { body: { user_id: grace.id } };
      expect((await ada.call('POST', `/secrets/${id}/share`, one)).body.code).toBe('state_conflict');
      expect(
        (await ada.call('POST', `/secrets/${id}/unshare`, { body: { user_id: made[500] } })).body.shared_with,
      ).toHaveLength(999);
      expectStatus(await ada.call('POST', `/secrets/${id}/share`, one), 200);
      expect((await ada.call('GET', `/secrets/${id}/access`)).body.access).toHaveLength(1001);
      await refused({ scope: 'shared', shared_with: [...made, grace.id] });
    });
  });

  // Last, since it waits for what began first.
  it('that never ends is hung up on in the end, with 4xx or without a word', async () => {
    for (const [what, list] of Object.entries(slow)) {
      for (const one of list) {
        const answer = await one.ended(Math.max(0, slowSince + 60_000 - Date.now()));
        expect(answer, `still open: ${what}`).not.toBeNull();
        if (answer === null || answer.status === 0) continue;
        expect(answer.status, `${what}: ${answer.body}`).toBeLessThan(500);
        expect(faultOfProblem(answer), what).toBeNull();
      }
    }
    expect((await ada.call('GET', '/auth/me')).status).toBe(200);
  });
});
