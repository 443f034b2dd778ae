import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { errorCodes } from '../../src/core/errors.ts';
import { deafHook, deafHost, newRootKey } from '../support/app.ts';
import { count, seed } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { documentedOperations, isOf } from '../support/documented.ts';
import { type RequestOptions, send } from '../support/http.ts';
import { bodyless, dice, families, keyShapes, type Malformed, shapes, type World } from '../support/malformed/index.ts';
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
        KEYHOLD_WEBHOOK_ALLOWED_HOSTS: deafHost,
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
      webhookId: expectStatus(
        await ada.call('POST', '/webhooks', { body: { url: deafHook, event_types: ['webhook.disabled'] } }),
        201,
      ).body.id,
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

  /**
   * Every row of every table but those that may tell of refusals. When something was last used is no change, and neither is
   * what the service notes by itself: that it lives, and that a root key signs, which is sealed with the rest of that row.
   */
  const digest = async (): Promise<string> => {
    const { rows } = await database.client.query(`select tablename as name from pg_tables where schemaname = 'public'
      and tablename not in ('audit_log', 'login_failures', 'heartbeats', 'event_log') order by 1`);
    const lines: string[] = [];
    for (const { name } of rows) {
      // The position of an event is given apart from requests.
      const notes = ['last_used_at', 'position', ...(name === 'root_keys' ? ['last_signed_at', 'seal'] : [])];
      const content = await database.client.query(
        `select count(*)::int as rows,
          md5(string_agg(md5(row), '' order by row)) as md5
          from (select (to_jsonb(t) - $1::text[])::text as row from ${name} t) as listed`,
        [notes],
      );
      lines.push(`${name} ${content.rows[0].rows} ${content.rows[0].md5}`);
    }
    return lines.join('\n');
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

  it('bad input is refused with 4xx and a sentence, changes nothing, and leaves the memory flat', async () => {
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

  it('bad input is tried on every operation that takes a body, and on every one that takes none', () => {
    const tried = [...shapes(world), ...bodyless(world).map((path) => ({ method: 'POST', path }))];
    const untried = documentedOperations
      .filter(({ method }) => method !== 'GET' && method !== 'DELETE')
      .filter((operation) => !tried.some(({ method, path }) => isOf(operation, method, `/api/v1${path}`)));
    expect(untried.map(({ operationId }) => operationId)).toEqual([]);
  });

  it('bad input about keys is refused when an administrator sends it too, and changes nothing', async () => {
    const before = await digest();
    for (const { method, path, body, wrong } of keyShapes(world)) {
      for (const [field, values] of Object.entries(wrong)) {
        for (const value of values) {
          const answer = await admin.call(method, path, { body: { ...body, [field]: value } });
          expect(answer.status, `${path} ${field} = ${JSON.stringify(value).slice(0, 60)}: ${answer.text}`).toBe(400);
        }
      }
    }
    expect(await digest()).toBe(before);
    expectStatus(await admin.call('POST', '/admin/keys/retire', { body: { root_key_id: '0123456789abcdef' } }), 404);
  });

  it('a change by bad input would be found', async () => {
    const before = await digest();
    const { id } = await keepSecret(ada);
    const after = await digest();
    expect(after).not.toBe(before);
    expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { type: 'token' } }), 200);
    expect(await digest()).not.toBe(after);
  });

  it('input that comes slowly does not keep others waiting', async () => {
    const open = await Promise.all(
      Object.values(slow).flatMap((list) => list.map((one) => one.ended(1).then((answer) => answer === null))),
    );
    // By now some are hung up on already; what counts is that everybody else is served.
    expect(open.length).toBe(175);
    for (let times = 0; times < 20; times += 1) expect((await ada.call('GET', '/auth/me')).status).toBe(200);
  });

  it('an import that is broken off leaves the next import its turn', async () => {
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

  // Last, since it waits for what began first.
  it('input that never ends is hung up on in the end, with 4xx or without a word', async () => {
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
