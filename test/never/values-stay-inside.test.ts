import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRootKey, startApp, type TestApp } from '../support/app.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { type Answer, type RequestOptions, send } from '../support/http.ts';
import { createSearch, type Leak } from '../support/leaks.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { exchange } from '../support/raw-http.ts';

/** Something recognisable that needs escaping in JSON, in URLs and in SQL, and has characters of every width. */
const recognisable = (what: string): string => `${what}-${randomBytes(9).toString('hex')} "é語🔑\\/'%+`;
/** The same of what goes into a header or a name: plain characters. */
const plain = (what: string): string => `${what}-${randomBytes(12).toString('hex')}`;

const hs256Secret = randomBytes(32).toString('base64url');

const externalJwt = (claims: Record<string, unknown>, key: string = hs256Secret): string => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: 'https://external.test', aud: 'keyhold', exp: now + 600, ...claims };
  const input = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(payload)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
};

/** A service to be exercised: in this process with its log at debug, or a process of its own. */
interface Target {
  readonly url: string;
  readonly database: TestDatabase;
  /** Everything that it has written: log, stdout, stderr. */
  written(): string;
}

/** What a service was told and what it said, as somebody exercises every route with planted values. */
const exercise = async (target: Target, adminPassword: string) => {
  const search = createSearch();
  const { plant } = search;
  const answers: { what: string; text: string; mayHold: readonly string[] }[] = [];

  const call = async (
    method: string,
    path: string,
    options: RequestOptions = {},
    mayHold: readonly string[] = [],
  ): Promise<Answer<any>> => {
    const answer = await send(target.url, method, path, options);
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    answers.push({
      what: `${method} ${path.slice(0, 80)} → ${answer.status}`,
      text: `${headers}\n${answer.text}`,
      mayHold,
    });
    return answer;
  };
  const api = (method: string, path: string, options: RequestOptions = {}, mayHold: readonly string[] = []) =>
    call(method, `/api/v1${path}`, options, mayHold);
  const ok = (answer: Answer<any>): any => {
    if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
    return answer.body;
  };

  plant('admin password', adminPassword);
  const logIn = async (username: string, password: string) => {
    const granted = ok(
      await api('POST', '/auth/login', { body: { username, password } }, ['access token', 'refresh token']),
    );
    plant('access token', granted.access_token);
    plant('refresh token', granted.refresh_token);
    return { token: granted.access_token as string, refresh: granted.refresh_token as string, id: granted.user.id };
  };

  const admin = await logIn('admin', adminPassword);
  const makeUser = async (username: string) => {
    const password = plant(`password of ${username}`, recognisable('password'));
    ok(await api('POST', '/users', { token: admin.token, body: { username, password } }));
    return { ...(await logIn(username, password)), username, password };
  };
  const ada = await makeUser('ada');
  const grace = await makeUser('grace');

  // Values, on every way in and out.
  const value = plant('value', recognisable('value'));
  const second = plant('second value', recognisable('second'));
  const imported = plant('imported value', recognisable('imported'));
  const { token } = ada;
  const secret = ok(
    await api('POST', '/secrets', {
      token,
      headers: { 'idempotency-key': 'once' },
      body: { name: 'PLANTED', type: 'other', value },
    }),
  );
  const at = `/secrets/${secret.id}`;
  ok(
    await api('POST', '/secrets', {
      token,
      headers: { 'idempotency-key': 'once' },
      body: { name: 'PLANTED', type: 'other', value },
    }),
  );
  ok(await api('GET', `${at}/value`, { token }, ['value']));
  ok(await api('PUT', `${at}/value`, { token, body: { value: second } }));
  ok(await api('POST', '/secrets/reveal', { token, body: { ids: [secret.id] } }, ['second value']));
  ok(await api('POST', '/secrets/reveal', { token, body: { names: ['PLANTED', 'MISSING'] } }, ['second value']));
  ok(await api('POST', `${at}/versions/1/restore`, { token }));
  const items = [{ name: 'IMPORTED', type: 'other', value: imported }];
  for (const on_conflict of ['fail', 'update', 'skip', 'rename', 'fail'])
    await api('POST', '/secrets/import', { token, body: { items, on_conflict } });
  ok(await api('POST', `${at}/share`, { token, body: { username: 'grace' } }));
  ok(await api('GET', `${at}/value`, { token: grace.token }, ['value']));
  ok(await api('PATCH', at, { token, body: { description: 'changed', tags: ['t'] } }));
  const session = ok(await api('POST', '/sessions', { token, body: { title: 't', participants: [grace.id] } }));
  for (const [method, path, body] of [
    ['GET', '/secrets?limit=200'],
    ['GET', '/secrets?q=PLANTED'],
    ['GET', '/secrets/stats'],
    ['GET', '/secrets/types'],
    ['GET', at],
    ['GET', `${at}/versions`],
    ['GET', `${at}/access`],
    ['GET', '/auth/me'],
    ['GET', '/auth/logins'],
    ['GET', '/users?q=a'],
    ['GET', `/users/${ada.id}`],
    ['GET', '/sessions'],
    ['GET', `/sessions/${session.id}`],
    ['GET', `/sessions/${session.id}/cleanup`],
    ['PATCH', `/sessions/${session.id}`, { title: 'u' }],
    ['PATCH', `/users/${ada.id}`, { display_name: 'Ada' }],
    ['POST', `${at}/unshare`, { username: 'grace' }],
    ['POST', `${at}/deactivate`],
    ['GET', `${at}/value`],
    ['POST', `${at}/activate`],
    ['DELETE', at],
    ['GET', `${at}/value`],
    ['POST', `${at}/recover`],
    ['POST', `${at}/transfer`, { scope: 'session', session_id: session.id }],
    ['POST', `${at}/transfer`, { scope: 'user' }],
    ['DELETE', `/sessions/${session.id}/participants/${grace.id}`],
    ['POST', `/sessions/${session.id}/participants`, { username: 'grace' }],
    ['POST', `/sessions/${session.id}/end`],
    ['GET', '/nothing/here'],
    ['POST', '/auth/tokens', { name: 'x' }],
  ] as const)
    await api(method, path, { token, ...(body === undefined ? {} : { body }) });

  // Tokens of every kind, good and bad.
  const made = ok(
    await api(
      'POST',
      '/auth/tokens',
      { token, body: { name: 'agent', agent: 'a', permissions: ['secrets:list'], expires_in: 600 } },
      ['kh token'],
    ),
  );
  plant('kh token', made.token);
  ok(await api('GET', '/secrets', { token: made.token }));
  await api('GET', `${at}/value`, { token: made.token });
  await api('POST', '/auth/logout', { token: made.token });
  ok(await api('GET', '/auth/tokens', { token }));
  await api('DELETE', `/auth/tokens/${made.id}`, { token });
  await api('GET', '/secrets', { token: made.token });
  const external = plant('external JWT', externalJwt({ sub: 'outsider', preferred_username: 'outsider' }));
  ok(await api('GET', '/auth/me', { token: external }));
  for (const [name, claims, key] of [
    ['expired external JWT', { sub: 'late', exp: 1 }, hs256Secret],
    ['forged external JWT', { sub: 'forged' }, plain('another key')],
    ['external JWT of a taken name', { sub: 'other', preferred_username: 'ada' }, hs256Secret],
  ] as const)
    await api('GET', '/auth/me', { token: plant(name, externalJwt(claims, key)) });
  const signatures = [external, ada.token].map((jwt) => jwt.split('.')[2] ?? '');
  for (const [index, signature] of signatures.entries())
    plant(index === 0 ? 'external JWT' : 'access token', signature);
  const renewed = ok(
    await api('POST', '/auth/refresh', { body: { refresh_token: grace.refresh } }, ['access token', 'refresh token']),
  );
  plant('access token', renewed.access_token);
  plant('refresh token', renewed.refresh_token);
  await api('POST', '/auth/refresh', { body: { refresh_token: grace.refresh } });

  // Passwords, right and wrong, changed and reset.
  const typed = plant('mistyped password', recognisable('mistyped'));
  await api('POST', '/auth/login', { body: { username: 'ada', password: typed } });
  await api('POST', '/auth/login', { body: { username: ada.password, password: 'x' } });
  await api('POST', '/auth/login', {
    body: { username: plant('password for a name', recognisable('as-a-name')), password: typed },
  });
  const next = plant('next password', recognisable('next'));
  await api('POST', `/users/${ada.id}/password`, { token, body: { current_password: typed, new_password: next } });
  ok(
    await api('POST', `/users/${ada.id}/password`, {
      token,
      body: { current_password: ada.password, new_password: next },
    }),
  );
  await api('POST', `/users/${ada.id}/password`, {
    token,
    body: { current_password: next, new_password: plant('short password', 'short é語🔑🔑🔑') },
  }).catch(() => undefined);
  const reset = plant('reset password', recognisable('reset'));
  ok(await api('POST', `/users/${grace.id}/password`, { token: admin.token, body: { new_password: reset } }));
  await api('POST', `/users/${grace.id}/password/cancel`, { token: admin.token });

  // Everything in the wrong place, each with something of its own.
  const wrongs: Record<string, unknown>[] = [];
  const here = (name: string) => plant(`misplaced in ${name}`, recognisable('misplaced'));
  const simply = (name: string) => plant(`misplaced in ${name}`, plain('misplaced'));
  for (const field of [
    'name',
    'type',
    'scope',
    'session_id',
    'exposure',
    'expires_at',
    'rotate_after',
    'shared_with',
    'tags',
    'metadata',
    'description',
  ])
    wrongs.push({
      name: 'WRONG',
      type: 'other',
      value: here(`value beside ${field}`),
      [field]: field === 'description' ? { a: here(field) } : here(field),
    });
  wrongs.push(
    { name: 'WRONG', type: 'other', value: [here('a list')] },
    { name: 'WRONG', type: 'other', value: { a: here('an object') } },
  );
  wrongs.push({
    name: 'WRONG',
    type: 'other',
    value: here('value of an unknown field'),
    secret: here('an unknown field'),
  });
  wrongs.push({ name: 'WRONG', type: 'other', value: `${here('a value that is too long')}${'x'.repeat(65_536)}` });
  wrongs.push(
    { name: 'WRONG', type: 'other', value: 'v', [here('the name of a field')]: 1 },
    { [simply('a lone name')]: 1 },
  );
  wrongs.push({ name: 'WRONG', type: 'other', value: 'v', tags: ['t', here('a tag').padEnd(80, 'x')] });
  wrongs.push({
    name: 'WRONG',
    type: 'other',
    value: 'v',
    metadata: { a: here('metadata that is too large').padEnd(17_000, 'x') },
  });
  wrongs.push({ name: 'WRONG', type: 'other', value: 'v', shared_with: [here('a grantee')] });
  for (const body of wrongs) {
    for (const [method, path] of [
      ['POST', '/secrets'],
      ['PATCH', at],
      ['PUT', `${at}/value`],
      ['POST', `${at}/share`],
      ['POST', '/sessions'],
      ['POST', '/auth/tokens'],
      ['POST', '/auth/login'],
      ['POST', '/users'],
      ['POST', '/secrets/reveal'],
      ['POST', `${at}/deactivate`],
    ] as const) {
      const answer = await api(method, path, { token, body });
      if (answer.status < 400) throw new Error(`${method} ${path} took ${JSON.stringify(body)}`);
    }
    await api('POST', '/secrets/import', { token, body: { items: [body], on_conflict: 'fail' } });
    await api('POST', '/secrets', { body });
  }
  const inUrl = (name: string) => encodeURIComponent(plant(`in the address: ${name}`, recognisable('address')));
  const bearer = (name: string) => plant(name, `kh_${randomBytes(48).toString('base64url')}`);
  for (const path of [
    `/secrets/${inUrl('an id')}`,
    `/secrets/${inUrl('a value')}/value`,
    `/secrets?q=${inUrl('q')}&nothing=1`,
    `/secrets?token=${inUrl('a token')}`,
    `/secrets?q=${inUrl('a search')}`,
    `/secrets?tag=${inUrl('a tag')}`,
    `/secrets?${inUrl('a name')}=1`,
    `/secrets?cursor=${inUrl('a cursor')}`,
    `/secrets?state=${inUrl('a state')}`,
    `/sessions/${inUrl('a session')}`,
    `/users/${inUrl('a user')}`,
    `/users?q=${inUrl('a user search')}`,
    `/${inUrl('a path')}`,
    `/secrets/${inUrl('bad')}%ff`,
    `/secrets?access_token=${bearer('token in the address')}`,
    `/auth/tokens/${bearer('token as an id')}`,
    `/sessions/${plain('x')}`,
  ])
    await api('GET', path, { token });
  for (const header of [
    'x-session-id',
    'idempotency-key',
    'if-match',
    'content-encoding',
    'x-request-id',
    'x-forwarded-for',
    'cookie',
    'referer',
    'accept',
    'expect',
    'x-api-key',
    'origin',
    'traceparent',
  ]) {
    const text = plant(`header ${header}`, plain('header'));
    // Two words, so that none is well-formed: a valid Idempotency-Key is kept, as its own kind of name.
    await api('PATCH', at, { token, headers: { [header]: `${text} ${text}` }, body: { nothing: 1 } }).catch(
      () => undefined,
    );
    await api('POST', '/secrets', { headers: { [header]: `${text} ${text}` }, body: {} }).catch(() => undefined);
  }
  for (const [name, line] of [
    ['Basic', `Basic ${Buffer.from(`ada:${plant('basic password', recognisable('basic'))}`).toString('base64')}`],
    ['unknown token', `Bearer ${bearer('unknown token')}`],
    ['two tokens', `Bearer ${bearer('first')} ${bearer('second')}`],
    ['bare', bearer('bare token')],
    [
      'broken JWT',
      `Bearer ${plant('broken JWT', `eyJ${randomBytes(30).toString('base64url')}.eyJ${randomBytes(30).toString('base64url')}.x`)}`,
    ],
  ] as const)
    await api('GET', `/secrets?from=${encodeURIComponent(name)}`, { headers: { authorization: line } });

  // What is no JSON, no HTTP, or another type of body.
  for (const [type, body] of [
    ['application/json', `{"value":"${here('broken JSON')}`],
    ['application/json', `"${simply('a string')}"`],
    ['text/plain', here('text')],
    ['application/x-www-form-urlencoded', `value=${inUrl('a form')}`],
    ['application/json', `{"value":"${simply('a lone surrogate')}\\ud800"}`],
    ['application/json; charset=utf-16', here('another charset')],
    ['application/json', `{"name":"${simply('a NUL')}\\u0000"}`],
    ['application/json', `{"__proto__":"${simply('a prototype')}"}`],
  ] as const) {
    const response = await fetch(`${target.url}/api/v1/secrets`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
    });
    answers.push({ what: `POST ${type}`, text: await response.text(), mayHold: [] });
  }
  const raw = plant('in what is no HTTP', plain('raw'));
  for (const text of [
    `${raw}\r\n\r\n`,
    `GET /${raw} HTTP/1.1\r\n${raw}\r\n\r\n`,
    `${raw} / HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${raw.repeat(700)}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${raw}\r\n\r\n`,
  ]) {
    const answer = await exchange(target.url, Buffer.from(text), { halfClose: true });
    answers.push({ what: 'no HTTP', text: answer.body, mayHold: [] });
  }

  // Trouble: a database that refuses to write.
  await target.database.client.query('alter table secrets rename to secrets_away');
  const lost = plant('value in trouble', recognisable('trouble'));
  await api('POST', '/secrets', { token, body: { name: 'TROUBLE', type: 'other', value: lost } });
  await api('PUT', `${at}/value`, { token, body: { value: lost } });
  await api('GET', `${at}/value`, { token });
  await target.database.client.query('alter table secrets_away rename to secrets');
  await target.database.client.query(`alter table secrets add constraint no_more check (name <> 'TROUBLE') not valid`);
  await api('POST', '/secrets', { token, body: { name: 'TROUBLE', type: 'other', value: lost } });
  await target.database.client.query('alter table secrets drop constraint no_more');

  // The end of everything, and what is shown of the service itself.
  ok(
    await api('POST', '/secrets', {
      token,
      body: { name: 'LAST', type: 'other', value: plant('last value', recognisable('last')) },
    }),
  );
  await api('DELETE', `${at}?purge=true`, { token });
  await api('DELETE', `/users/${grace.id}`, { token: admin.token });
  for (const path of [
    '/healthz',
    '/readyz',
    '/metrics',
    '/.well-known/jwks.json',
    '/api/openapi.json',
    '/docs',
    '/docs/json',
    '/docs/static/index.html',
    '/docs/static/swagger-initializer.js',
  ])
    await call('GET', path, { token: admin.token });
  return { search, answers, metrics: (await send(target.url, 'GET', '/metrics', { token: admin.token })).text };
};

type Exercised = Awaited<ReturnType<typeof exercise>>;

/** Every column of every table, as text; bytea is there as hex. */
const tables = async ({ client }: TestDatabase): Promise<Map<string, string>> => {
  const columns =
    await client.query(`select c.relname as on_table, a.attname as name, format_type(a.atttypid, null) as type
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm') order by 1, a.attnum`);
  const ofTable = Map.groupBy(columns.rows, ({ on_table }): string => on_table);
  const contents = new Map<string, string>();
  for (const [table, own] of ofTable) {
    const shown = own.map(({ name, type }) => {
      const text =
        type === 'bytea' ? `encode("${name}", 'hex') || ' ' || encode("${name}", 'escape')` : `"${name}"::text`;
      return `string_agg(${text}, E'\\n') as "${name}"`;
    });
    const { rows } = await client.query(`select ${shown} from "${table}"`);
    for (const { name } of own) contents.set(`${table}.${name}`, rows[0][name] ?? '');
  }
  return contents;
};

const found = (leaks: readonly Leak[]): string[] =>
  leaks.map(({ planted, where, around }) => `${planted} in ${where}: ${around}`);

const suite = (
  name: string,
  inThisProcess: boolean,
  start: () => Promise<{
    target: Target;
    adminPassword: string;
    also: Record<string, string>;
    stop(): Promise<unknown>;
  }>,
): void => {
  describe(`what is secret stays inside ${name}`, () => {
    let stop: () => Promise<unknown> = async () => undefined;
    let target: Target;
    let done: Exercised;
    let contents: Map<string, string>;
    beforeAll(async () => {
      const started = await start();
      ({ target, stop } = started);
      done = await exercise(target, started.adminPassword);
      for (const [what, secret] of Object.entries(started.also)) done.search.plant(what, secret);
      contents = await tables(target.database);
    }, 120_000);
    afterAll(() => stop());

    const inAnswers = (): Leak[] =>
      done.answers.flatMap(({ what, text, mayHold }) =>
        done.search.find(what, text, (planted) => mayHold.includes(planted)),
      );
    const inTables = (): Leak[] => [...contents].flatMap(([column, text]) => done.search.find(column, text));

    it('was exercised: values were revealed, requests refused, records made', () => {
      const revealed = done.answers.filter(({ text, mayHold }) =>
        mayHold.some((one) => done.search.find('', text).some(({ planted }) => planted === one)),
      );
      expect(revealed.length).toBeGreaterThanOrEqual(7);
      const statuses = new Set(done.answers.map(({ what }) => what.slice(-3)));
      for (const status of ['200', '201', '204', '400', '401', '403', '404', '409', '415'])
        expect(statuses).toContain(status);
      expect(contents.get('audit_log.action')).toMatch(/secret\.reveal/);
      expect(contents.get('secrets.name')).toMatch(/LAST/);
      expect(target.written().length).toBeGreaterThan(1000);
    });

    it('not in any answer but a reveal’s and a login’s', () => expect(found(inAnswers())).toEqual([]));
    it('not in what is logged or printed', () => expect(found(done.search.find('log', target.written()))).toEqual([]));
    it('not in the metrics', () => expect(found(done.search.find('metrics', done.metrics))).toEqual([]));
    it('not in any column of any table', () => expect(found(inTables())).toEqual([]));

    it('and a leak would be found in each of these places', async () => {
      const leak = 'a leak-0123456789 "é語🔑\\/';
      done.search.plant('a leak', leak);
      const bytes = Buffer.from(leak);
      for (const spelling of [
        leak,
        JSON.stringify({ a: leak }),
        JSON.stringify(JSON.stringify(leak)),
        encodeURIComponent(leak),
        bytes.toString('hex'),
        bytes.toString('hex').toUpperCase(),
        ...[0, 1, 2].flatMap((offset) =>
          ['base64', 'base64url'].map((encoding) =>
            Buffer.concat([Buffer.from('xyz'.slice(0, offset)), bytes, Buffer.from('zz')]).toString(
              encoding as BufferEncoding,
            ),
          ),
        ),
      ]) {
        const text = `before ${spelling} after`;
        expect(found(done.search.find('log', target.written() + text)), spelling).toHaveLength(1);
        expect(found(done.search.find('metrics', done.metrics + text)), spelling).toHaveLength(1);
        done.answers.push({ what: 'planted', text, mayHold: ['value'] });
        expect(
          inAnswers().map(({ planted }) => planted),
          spelling,
        ).toEqual(['a leak']);
        done.answers.pop();
      }
      // The tables are searched by the same code for both services: one of them is enough to show that it finds.
      if (inThisProcess) await everyColumnIsSearched(bytes);
    });

    /** Puts the leak into each column that can hold it, and expects to find it there and nowhere else. */
    const everyColumnIsSearched = async (leak: Buffer): Promise<void> => {
      const { client } = target.database;
      await client.query('set session_replication_role = replica');
      await client.query('alter table audit_log disable trigger all');
      const columns = await client.query(`select table_name, column_name, data_type, character_maximum_length as longest
        from information_schema.columns where table_schema = 'public' and table_name not like 'kysely%'
        and data_type in ('text', 'character varying', 'jsonb', 'bytea') order by 1, 2`);
      let searched = 0;
      for (const { table_name, column_name, data_type, longest } of columns.rows) {
        if (longest !== null && longest < 40) continue;
        const text = data_type === 'jsonb' ? JSON.stringify({ a: leak.toString() }) : leak.toString();
        const one = `(select ctid from ${table_name} limit 1)`;
        await client.query('begin');
        // Checks of a column's form stand in the way of this test only.
        const checks = await client.query(
          `select conname from pg_constraint where conrelid = '${table_name}'::regclass and contype = 'c'`,
        );
        for (const { conname } of checks.rows)
          await client.query(`alter table ${table_name} drop constraint ${conname}`);
        const { rowCount } = await client.query(`update ${table_name} set ${column_name} = $1 where ctid = ${one}`, [
          data_type === 'bytea' ? leak : text,
        ]);
        const leaks = [...(await tables(target.database))].flatMap(([column, content]) =>
          done.search.find(column, content),
        );
        await client.query('rollback');
        if (rowCount === 0) continue;
        searched += 1;
        expect([...new Set(leaks.map(({ where }) => where))], `${table_name}.${column_name}`).toEqual([
          `${table_name}.${column_name}`,
        ]);
      }
      expect(searched).toBeGreaterThanOrEqual(30);
    };
  });
};

const issuers = JSON.stringify([
  {
    issuer: 'https://external.test',
    audience: 'keyhold',
    hs256_secret: hs256Secret,
    username_claim: 'preferred_username',
    may_create_users: true,
  },
]);

suite('the service, its log at debug', true, async () => {
  const adminPassword = recognisable('admin');
  const rootKey = newRootKey();
  const app: TestApp = await startApp({
    rootKey,
    env: { KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword, KEYHOLD_JWT_ISSUERS: issuers },
  });
  const also = secretsOf(rootKey, app.database);
  return {
    target: { url: app.url, database: app.database, written: app.logged },
    adminPassword,
    also,
    stop: () => app.close(),
  };
});

suite('a process of its own', false, async () => {
  const adminPassword = recognisable('admin');
  const rootKey = newRootKey();
  const database = await freshDatabase();
  const service: ServiceProcess = await startService({
    env: {
      KEYHOLD_DATABASE_URL: database.url('service'),
      KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
      KEYHOLD_ROOT_KEYS: rootKey,
      KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
      KEYHOLD_JWT_ISSUERS: issuers,
      KEYHOLD_LOG_LEVEL: 'debug',
      KEYHOLD_RATE_LIMIT: '1000000',
    },
  });
  const written = () => `${service.stdout()}\n${service.stderr()}`;
  const stop = async () => {
    await service.stop();
    await database.drop();
  };
  return { target: { url: service.url, database, written }, adminPassword, also: secretsOf(rootKey, database), stop };
});

/** What the service works with and shows to nobody. */
function secretsOf(rootKey: string, database: TestDatabase): Record<string, string> {
  const password = (role: 'service' | 'migrator'): string => String(database.settings(role).password);
  return {
    'root key': rootKey.slice(0, -1),
    'root key bytes': Buffer.from(rootKey, 'base64url').toString('hex'),
    'issuer secret': hs256Secret,
    'database password': password('service'),
    'migrator password': password('migrator'),
  };
}
