import { gzipSync } from 'node:zlib';

/*
 * Requests that are wrong, in every way that we could think of. Each family makes one at random; all of them are wrong
 * whatever the dice say, so that a test can expect a 4xx of each.
 */

export interface World {
  readonly token: string;
  readonly secretId: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly ownId: string;
  readonly tokenId: string;
}

export interface Malformed {
  readonly what: string;
  readonly bytes: Buffer;
  readonly halfClose?: boolean;
  /** True where hanging up without a word is an answer too. */
  readonly mayHangUp?: boolean;
}

/** A generator of numbers from 0 to 1 with a seed (mulberry32). */
export const dice = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

type Json = Record<string, unknown>;

const deep = (levels: number): unknown => (levels === 0 ? 'x' : { a: deep(levels - 1) });
const ids = (size: number): string[] =>
  Array.from({ length: size }, (_, at) => `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`);

const notText = [null, 1, -1.5, true, [], {}, ['a'], { a: 'b' }];
const notTextOrNull = notText.filter((value) => value !== null);
const notId = [
  ...notText,
  '',
  'x',
  '0199d6f2',
  '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e1g',
  '{0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e11}',
];
const notInstant = [
  1,
  true,
  [],
  {},
  '',
  'tomorrow',
  '2030-01-01',
  '2030-01-01T00:00:00',
  '2030-02-30T00:00:00Z',
  '2030-13-01T00:00:00Z',
  '2030-01-01T24:00:00Z',
  '2030-01-01T23:59:60Z',
  '2030-01-01 00:00:00',
  '+012030-01-01T00:00:00Z',
  '1e3',
  '0',
  'Z',
  '2030-01-01T00:00:00+25:00',
  '2030-01-01T00:00:00Z\n',
  '２０３０-01-01T00:00:00Z',
  `2030-01-01T00:00:00.${'1'.repeat(80)}Z`,
  '9999-12-31T23:59:59-01:00',
  '0000-01-01T00:00:00+01:00',
];
const notFuture = ['2020-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z'];
const notMetadata = [
  null,
  'x',
  1,
  true,
  [],
  [1],
  deep(9),
  deep(20),
  { a: 'x'.repeat(16_385) },
  { a: 'ü'.repeat(8193) },
  { a: '😀'.repeat(4096), b: 'x' },
  { a: 'a\0b' },
  { 'a\0': 1 },
  Object.fromEntries(ids(400).map((id) => [id, 1])),
];
const notTags = [null, 'x', {}, 1, [1], [null], [''], ['x'.repeat(65)], ['😀'.repeat(65)], ids(33), [['x']], ['a\0']];
const notName = [...notText, '', 'a b', 'ä', 'a/b', '../a', 'x'.repeat(257), 'a\0b', ' a', 'a\n', 'a%00', 'ａ', '😀'];
const notSession = [...notTextOrNull, '', '.', '..', 'a b', 'a/b', 'x'.repeat(129), 'ä', 'a\0', '%2e'];
const notValue = [...notText, '', 'x'.repeat(65_537), 'ü'.repeat(32_769), '😀'.repeat(16_385)];
const longText = (most: number) => [...notTextOrNull, 'x'.repeat(most + 1), '😀'.repeat(most + 1), 'a\0b', '\0'];
const notUser = [...notText, '', 'x'.repeat(129), ' a', 'a ', 'a\u200b', '\u202ea', 'a\0', '\u0007', 'ﷺ'.repeat(100)];
const notPassword = [...notText, '', 'short', 'x'.repeat(129), 'x'.repeat(513), 'a\0'.repeat(7), '😀'.repeat(129)];
const notEnum = [...notText, '', 'x', 'USER', 'user ', 'constructor', '__proto__'];
const notNumber = [null, 'x', '1', true, [], {}, 0, -1, 1.5, 1e300, 315_360_001];

interface Shape {
  readonly method: string;
  readonly path: string;
  readonly body: Json;
  readonly needs: readonly string[];
  readonly wrong: Readonly<Record<string, readonly unknown[]>>;
}

const item = { name: 'MALFORMED', type: 'api_key', value: 'v' };

/** Every route that takes a body: one that is right, what it can't do without, and what each field must not be. */
const shapes = (world: World): readonly Shape[] => {
  const secret = `/secrets/${world.secretId}`;
  const described = {
    description: longText(1024),
    tags: notTags,
    expires_at: [...notInstant, ...notFuture],
    rotate_after: notInstant,
    metadata: notMetadata,
    exposure: notEnum,
  };
  const who = { user_id: notId, username: [...notText, '', 'x'.repeat(129), 'nobody of this name', 'a\0'] };
  return [
    {
      method: 'POST',
      path: '/secrets',
      body: item,
      needs: ['name', 'type', 'value'],
      wrong: {
        ...described,
        name: notName,
        type: notEnum,
        value: notValue,
        scope: [...notEnum, 'shared', 'session'],
        session_id: [...notSession, world.sessionId],
        shared_with: ['x', 1, {}, [1], ['x'], [world.userId], ids(1001), [null]],
      },
    },
    {
      method: 'PATCH',
      path: secret,
      body: { type: 'token' },
      needs: ['type'],
      wrong: { ...described, name: notName, type: notEnum },
    },
    { method: 'PUT', path: `${secret}/value`, body: { value: 'v' }, needs: ['value'], wrong: { value: notValue } },
    { method: 'POST', path: `${secret}/share`, body: {}, needs: [], wrong: who },
    { method: 'POST', path: `${secret}/unshare`, body: {}, needs: [], wrong: who },
    {
      method: 'POST',
      path: `${secret}/transfer`,
      body: { scope: 'session', session_id: world.sessionId },
      needs: ['scope', 'session_id'],
      wrong: { scope: [...notEnum, 'shared', 'user'], session_id: notSession },
    },
    {
      method: 'POST',
      path: '/secrets/reveal',
      body: {},
      needs: [],
      wrong: {
        ids: [null, 'x', {}, [], [1], ['x'], ids(101), [null]],
        names: [null, 'x', {}, [], [1], [''], ['a b'], ['a\0'], Array(101).fill('a'), [['a']]],
      },
    },
    {
      method: 'POST',
      path: '/secrets/import',
      body: { items: [item], on_conflict: 'fail' },
      needs: ['items', 'on_conflict'],
      wrong: {
        items: [
          null,
          'x',
          {},
          [],
          [1],
          [null],
          [{}],
          [item, item],
          [item, { ...item, name: 'a b' }],
          [{ ...item, more: 1 }],
          [{ ...item, value: '' }],
          [
            { ...item, name: 'B' },
            { ...item, expires_at: 'x' },
          ],
          [[item]],
        ],
        on_conflict: notEnum,
        dry_run: [null, 'x', 1, 'true', []],
      },
    },
    {
      method: 'POST',
      path: '/sessions',
      body: {},
      needs: [],
      wrong: {
        external_id: notSession,
        title: longText(256),
        participants: ['x', 1, {}, [1], ['x'], ids(1), [null]],
        expires_at: [...notInstant, ...notFuture],
        metadata: notMetadata,
      },
    },
    {
      method: 'PATCH',
      path: `/sessions/${world.sessionId}`,
      body: {},
      needs: [],
      wrong: {
        title: longText(256),
        expires_at: [...notInstant, ...notFuture],
        metadata: notMetadata,
        external_id: ['x'],
        status: ['ended'],
      },
    },
    { method: 'POST', path: `/sessions/${world.sessionId}/participants`, body: {}, needs: [], wrong: who },
    {
      method: 'PATCH',
      path: `/users/${world.ownId}`,
      body: {},
      needs: [],
      wrong: {
        email: [...notTextOrNull, '', 'x', '@', 'a b@c', `${'x'.repeat(253)}@x`, 'a\0@b'],
        display_name: ['', ...longText(128)],
      },
    },
    {
      method: 'POST',
      path: `/users/${world.ownId}/password`,
      body: { current_password: 'not my password', new_password: 'a new password of mine' },
      needs: ['new_password'],
      wrong: { new_password: notPassword, current_password: [1, null, '', 'x'.repeat(513)] },
    },
    {
      method: 'POST',
      path: '/auth/tokens',
      body: { name: 'n', permissions: ['secrets:list'], expires_in: 60 },
      needs: ['name', 'permissions', 'expires_in'],
      wrong: {
        name: [...notText, '', 'x'.repeat(129), '😀'.repeat(129), 'a\0'],
        agent: [...notTextOrNull, '', 'x'.repeat(129), 'a\0'],
        permissions: [
          null,
          'x',
          {},
          [],
          ['x'],
          [1],
          ['secrets:list', 'all'],
          Array(33).fill('secrets:list'),
          ['admin'],
        ],
        session_id: notSession,
        expires_in: notNumber,
      },
    },
    {
      method: 'POST',
      path: '/auth/login',
      body: { username: 'u', password: 'p' },
      needs: ['username', 'password'],
      wrong: { username: [...notText, '', 'x'.repeat(513), 'a\0'], password: [...notText, '', 'x'.repeat(513)] },
    },
    {
      method: 'POST',
      path: '/auth/refresh',
      body: { refresh_token: 'khr_x' },
      needs: ['refresh_token'],
      wrong: { refresh_token: [...notText, '', 'khr_', 'x'.repeat(513), 'khr_AAAA=', 'a\0'] },
    },
    {
      method: 'POST',
      path: '/users',
      body: { username: 'malformed' },
      needs: ['username'],
      wrong: { username: notUser, role: notEnum },
    },
  ];
};

/** Routes that take no body. */
const bodyless = (world: World): readonly string[] => [
  ...['activate', 'deactivate', 'recover', 'versions/1/restore'].map((verb) => `/secrets/${world.secretId}/${verb}`),
  `/sessions/${world.sessionId}/end`,
  '/auth/logout',
];

export const families = (world: World, roll: () => number) => {
  const below = (most: number): number => Math.floor(roll() * most);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const all = shapes(world);
  const base = '/api/v1';

  interface Parts {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: readonly string[];
    readonly body?: string | Buffer;
    readonly auth?: boolean;
    readonly type?: string | null;
  }

  const request = ({
    method = 'GET',
    path = `${base}/secrets`,
    headers = [],
    body,
    auth = true,
    type = 'application/json',
  }: Parts): Buffer => {
    const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
    const framed = headers.some((line) => /^(content-length|transfer-encoding)/i.test(line));
    const lines = [
      `${method} ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: close',
      ...(auth ? [`Authorization: Bearer ${world.token}`] : []),
      ...(body === undefined || type === null ? [] : [`Content-Type: ${type}`]),
      ...(body === undefined || framed ? [] : [`Content-Length: ${bytes.length}`]),
      ...headers,
    ];
    return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
  };

  const send = (what: string, shape: Pick<Shape, 'method' | 'path'>, body: unknown, more: Parts = {}): Malformed => {
    const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return {
      what: `${what}: ${shape.method} ${shape.path}`,
      bytes: request({ method: shape.method, path: base + shape.path, body: text, ...more }),
    };
  };

  const wrongField = (): Malformed => {
    const shape = pick(all);
    const field = pick(Object.keys(shape.wrong));
    const value = pick(shape.wrong[field] ?? []);
    return send(`${field} = ${JSON.stringify(value)?.slice(0, 60)}`, shape, { ...shape.body, [field]: value });
  };

  const missingField = (): Malformed => {
    const shape = pick(all.filter(({ needs }) => needs.length > 0));
    const left = pick(shape.needs);
    return send(
      `without ${left}`,
      shape,
      Object.fromEntries(Object.entries(shape.body).filter(([name]) => name !== left)),
    );
  };

  const unknownField = (): Malformed => {
    const shape = pick(all);
    const name = pick([
      'owner_id',
      'id',
      'seal',
      'more',
      '',
      'constructor',
      'toString',
      'hasOwnProperty',
      'NAME',
      ' name',
      'name ',
      'ｎame',
      'a\0',
      'is_active',
      'version',
      'admin',
    ]);
    return send(`unknown field ${JSON.stringify(name)}`, shape, {
      ...shape.body,
      [name]: pick([1, 'x', null, {}, []]),
    });
  };

  const prototype = (): Malformed => {
    const shape = pick(all);
    const inside = pick(['{"admin":true}', 'null', '1', '{"__proto__":{}}']);
    const whole = JSON.stringify(shape.body).slice(1);
    return send(
      '__proto__',
      shape,
      `{"${pick(['__proto__', '\\u005f_proto__'])}":${inside}${whole === '}' ? '' : ','}${whole}`,
    );
  };

  const brokenJson = (): Malformed => {
    const shape = pick(all);
    const whole = JSON.stringify({ ...item, ...shape.body });
    const broken = pick([
      () => whole.slice(0, 1 + below(whole.length - 1)),
      () => `${whole}${pick(['x', '{}', ',', ']', '}', '\0', 'null', '//'])}`,
      () =>
        pick([
          'null',
          '[]',
          '"x"',
          '1',
          'true',
          '[{}]',
          'undefined',
          'NaN',
          '',
          ' ',
          '\ufeff',
          '\0',
          '{',
          '"',
          '{"a"}',
          '{"a":}',
          '{,}',
          '[1,]',
        ]),
      () => whole.replaceAll('"', "'"),
      () => `\ufeff${whole}`,
      () => whole.replace('}', ',}'),
      () => whole.replace(':', '='),
      () =>
        `{"a":${pick(['NaN', 'Infinity', '-Infinity', '01', '.5', '5.', '+1', '0x10', '1_000', 'True', '1e', '--1', '1n'])}}`,
      () =>
        `{"name":"${pick(['\n', '\t', '\\x41', '\\u12', '\\u{41}', '\\', '\\ud800', '\\udfff\\ud800', '\u0001'])}"}`,
    ])();
    return send('broken JSON', shape, broken);
  };

  const nesting = (): Malformed => {
    const shape = pick(all.filter(({ path }) => path !== '/secrets/import'));
    const levels = pick([33, 34, 100, 1000, 50_000, 100_000]);
    const [open, close] = pick([
      ['[', ']'],
      ['{"a":', '}'],
    ] as const);
    const inner = pick([close.repeat(levels), '']);
    return send(`nested ${levels} deep`, shape, `{"metadata":${open.repeat(levels)}1${inner}}`);
  };

  const number = (): Malformed => {
    const digits = pick([
      '1e400',
      '-1e400',
      '9007199254740993',
      '0.1234567890123456789',
      '1e-400',
      '123456789012345678901',
      '1'.repeat(400),
      `1e${'9'.repeat(20)}`,
      `0.${'0'.repeat(330)}1`,
      '1.00000000000000000001',
    ]);
    const shape = pick([all[0], all[1], all[8]]) as Shape;
    return send(
      `the number ${digits.slice(0, 20)}`,
      shape,
      JSON.stringify({ ...shape.body, metadata: { n: 0 } }).replace(
        '{"n":0}',
        `{"n":${pick([digits, `[${digits}]`])}}`,
      ),
    );
  };

  const bytesInJson = (): Malformed => {
    const shape = pick(all);
    const bad = pick([
      [0x80],
      [0xff],
      [0xfe],
      [0xc0, 0x80],
      [0xc1, 0xbf],
      [0xe0, 0x80, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x28, 0x8c, 0x28],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0xe2, 0x82],
    ]);
    const whole = Buffer.from(JSON.stringify({ ...shape.body, ...(roll() < 0.5 ? { description: 'x' } : {}) }));
    const at = below(whole.length + 1);
    return send(
      `bytes ${bad.map((byte) => byte.toString(16))} in the body`,
      shape,
      Buffer.concat([whole.subarray(0, at), Buffer.from(bad), whole.subarray(at)]),
    );
  };

  const surrogate = (): Malformed => {
    const shape = pick(all);
    const lone = pick(['\\ud800', '\\udc00', '\\udfff\\ud800', 'a\\ud83d', '\\ud83d\\ud83d', '\\uDBFF']);
    const name = pick(['name', 'value', 'description', 'username', 'password', 'title', 'new_password', lone]);
    return send(
      'a lone surrogate',
      shape,
      JSON.stringify({ ...shape.body, '@': 0 }).replace('"@":0', `"${name}":"${lone}"`),
    );
  };

  const contentType = (): Malformed => {
    const shape = pick(all);
    const type = pick([
      'text/plain',
      'application/xml',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-16',
      'application/json;charset="iso-8859-1"',
      'application/jsonx',
      'application/json+x',
      'application/problem+json',
      'text/json',
      'application',
      '*/*',
      ';',
      'application/json, text/plain',
      'application/octet-stream',
      'application/json; charset=utf-7',
      '\u00ff',
      'x'.repeat(1000),
      null,
    ]);
    return send(`type ${String(type).slice(0, 40)}`, shape, shape.path === '/auth/login' ? {} : shape.body, { type });
  };

  const contentEncoding = (): Malformed => {
    const shape = pick(all);
    const encoding = pick(['gzip', 'deflate', 'br', 'zstd', 'x', 'gzip, gzip', 'identity, gzip', 'GZIP', '*']);
    const whole = JSON.stringify(shape.body);
    return send(`encoding ${encoding}`, shape, roll() < 0.5 ? gzipSync(whole) : whole, {
      headers: [`Content-Encoding: ${encoding}`],
    });
  };

  const path = (): Malformed => {
    const known = pick([
      `${base}/secrets/${world.secretId}`,
      `${base}/secrets`,
      `${base}/auth/me`,
      `${base}/sessions/${world.sessionId}`,
      `${base}/users/${world.userId}`,
      '/healthz',
      '/metrics',
      '/docs/json',
    ]);
    const parts = known.split('/');
    const last = parts.at(-1) ?? '';
    const before = parts.slice(0, -1).join('/');
    const target = pick([
      () => `${before}/%2e%2e/${last}`,
      () => `${before}/../${last}`,
      () => `${before}/./${last}`,
      () => `/${known}`,
      () => `${before}//${last}`,
      () => `${known}%00`,
      () => `${known}%ff`,
      () => `${known}%c0%af`,
      () => `${known}%`,
      () => `${known}%zz`,
      () => `${known}%2f`,
      () => `${known}%5c..`,
      () => `${known}\\..\\x`,
      () => `${known}%252e%252e`,
      () => `${known}/%2e%2e%2f%2e%2e%2fetc%2fpasswd`,
      () => `${known}/${'x'.repeat(pick([300, 2000, 8000]))}`,
      () => `${known}/${'%2e'.repeat(100)}`,
      () => `${known}.json`,
      () => `${known}/..;/x`,
      () => `${known};jsessionid=1`,
      () => `${known}%20`,
      () => `${known}%0d%0aX-Injected:1`,
      () => `${known}*`,
      () => `${base}/secrets/${'../'.repeat(20)}etc/passwd`,
      () => `${base}/secrets/__proto__`,
      () => `${base}/secrets/constructor/value`,
      () => `${base}/sessions/%2e%2e`,
      () => `${base}/secrets/${world.secretId}%0a`,
      () => `${base}/secrets/{${world.secretId}}`,
      () => `${base}/secrets/${world.secretId.replaceAll('-', '')}`,
      () => `http://elsewhere.example${known}/x`,
      () => '*',
      () => 'secrets',
      () => '',
      () => `${known}/é`,
      () => `/${'a/'.repeat(200)}`,
      () => `${base}/sessions/${encodeURIComponent('a b')}`,
      () => `${base}/secrets/${world.secretId}/versions/0/restore`,
    ])();
    return { what: `path ${target.slice(0, 120)}`, bytes: request({ path: target }) };
  };

  const query = (): Malformed => {
    const asked = pick([
      'limit=0',
      'limit=-1',
      'limit=201',
      'limit=1.5',
      'limit=1e2',
      'limit=0x10',
      'limit=',
      'limit=%205',
      'limit=NaN',
      'limit=true',
      'limit=1&limit=2',
      'limit[]=1',
      'limit=99999999999999999999',
      'limit=null',
      'limit=05',
      'limit=+5',
      'cursor=x',
      'cursor=',
      'cursor=%00',
      `cursor=${'x'.repeat(201)}`,
      'cursor=x&cursor=y',
      `cursor=${Buffer.from('not an id').toString('base64url')}`,
      'more=1',
      '=',
      '=1',
      'state=x',
      'state=',
      'state=live&state=live',
      'scope=all',
      'scope[]=user',
      'owner=ada',
      'type=x',
      'q=',
      `q=${'x'.repeat(257)}`,
      'q=%00',
      'q=%ff',
      'q=a&q=b',
      'q=%ed%a0%80',
      'tag=',
      `tag=${'x'.repeat(65)}`,
      'session_id=..',
      'session_id=a%20b',
      `session_id=${'x'.repeat(129)}`,
      'session_id=',
      '__proto__[admin]=1',
      '__proto__=1',
      'constructor.prototype.x=1',
      '%',
      '%zz=1',
      'limit%00=1',
      'scope=user%00',
      'SCOPE=user',
      'limit=1;scope=user',
    ]);
    return { what: `query ${asked.slice(0, 60)}`, bytes: request({ path: `${base}/secrets?${asked}` }) };
  };

  const otherQuery = (): Malformed => {
    const [method, target] = pick([
      ['DELETE', `/secrets/${world.secretId}?purge=yes`],
      ['DELETE', `/secrets/${world.secretId}?purge=1`],
      ['DELETE', `/secrets/${world.secretId}?purge=`],
      ['DELETE', `/secrets/${world.secretId}?purge=TRUE`],
      ['DELETE', `/secrets/${world.secretId}?purge=true&purge=false`],
      ['DELETE', `/secrets/${world.secretId}?purge=%74rue%20`],
      ['DELETE', `/secrets/${world.secretId}?force=true`],
      ['GET', `/secrets/${world.secretId}?version=1`],
      ['GET', `/secrets/${world.secretId}/value?token=x`],
      ['GET', '/users?q='],
      ['GET', `/users?q=${'x'.repeat(129)}`],
      ['GET', '/sessions?limit=1.0'],
      ['GET', '/auth/me?x'],
      ['POST', `/secrets/${world.secretId}/deactivate?really=1`],
    ] as const);
    return { what: `${method} ${target.slice(0, 80)}`, bytes: request({ method, path: base + target }) };
  };

  const method = (): Malformed => {
    const verb = pick([
      'TRACE',
      'PROPFIND',
      'OPTIONS',
      'HEAD',
      'PUT',
      'PATCH',
      'MKCOL',
      'LOCK',
      'SEARCH',
      'FOO',
      'get',
      'GeT',
      'GET\t',
      '',
      'POST\0',
      'CONNECT',
      'QUERY',
      'PRI',
      'x'.repeat(300),
    ]);
    const target = pick([
      `${base}/auth/me`,
      `${base}/secrets/${world.secretId}/value`,
      `${base}/secrets/types`,
      '/healthz',
    ]);
    const isOurs = verb === 'PUT' && target.endsWith('/value');
    return {
      what: `method ${verb.slice(0, 20)}`,
      bytes: request({ method: isOurs ? 'FOO' : verb, path: target }),
      mayHangUp: true,
    };
  };

  const framing = (): Malformed => {
    const start = `POST ${base}/secrets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${world.token}\r\nContent-Type: application/json\r\n`;
    const hidden = `DELETE ${base}/secrets/${world.secretId} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${world.token}\r\nConnection: close\r\n\r\n`;
    const whole = JSON.stringify(item);
    const chunk = (size: string, data: string) => `${size}\r\n${data}\r\n0\r\n\r\n`;
    const text = pick([
      // What two servers in a row could read differently.
      () => `${start}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      () => `${start}Transfer-Encoding: chunked\r\nContent-Length: ${hidden.length}\r\n\r\n0\r\n\r\n${hidden}`,
      () => `${start}Content-Length: 2\r\nContent-Length: ${whole.length}\r\n\r\n${whole}`,
      () => `${start}Content-Length: 2, ${whole.length}\r\n\r\n${whole}`,
      () => `${start}Transfer-Encoding: xchunked\r\n\r\n${chunk('2', '{}')}`,
      () => `${start}Transfer-Encoding: chunked, identity\r\n\r\n${chunk('2', '{}')}`,
      () => `${start}Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}`,
      () => `${start}Transfer-Encoding : chunked\r\n\r\n${chunk('2', '{}')}`,
      () => `${start}Transfer-Encoding:\x0bchunked\r\n\r\n${chunk('2', '{}')}`,
      () => `${start}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n${chunk('2', '{}')}`,
      () => `${start}Content-Length: 0\r\nX: y\rContent-Length: 5\r\n\r\n${hidden}`,
      () => `${start}Content-Length : 2\r\n\r\n{}`,
      // Lengths that are none.
      () =>
        `${start}Content-Length: ${pick(['-1', '+2', 'abc', '0x2', '2.0', '1e1', '', ' ', '99999999999999999999', '2 2'])}\r\n\r\n{}`,
      // Chunks that are none.
      () =>
        `${start}Transfer-Encoding: chunked\r\n\r\n${pick(['g\r\n{}\r\n0\r\n\r\n', '-2\r\n{}\r\n0\r\n\r\n', 'fffffffffffffffff\r\n{}', '2\r\n{}x\r\n0\r\n\r\n', '0x2\r\n{}\r\n0\r\n\r\n', '2\n{}\n0\n\n', '\r\n\r\n', '2 \0\r\n{}\r\n0\r\n\r\n', 'zz'])}`,
      // Heads that are none.
      () => `GET ${base}/auth/me HTTP/1.1\r\n\r\n`,
      () => `GET ${base}/auth/me HTTP/1.1\r\nHost localhost\r\n\r\n`,
      () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\nX\0: y\r\n\r\n`,
      () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n`,
      () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\n : y\r\n\r\n`,
      () => `GET ${base}/auth/me HTTP/1.1\nHost: localhost\n\n`,
      () => `GET ${base}/auth/me HTTP/${pick(['3.0', '1.9', '11', 'x', '-1', '2.0'])}\r\nHost: localhost\r\n\r\n`,
      () => `GET ${base}/auth/me\r\n\r\n`,
      () => `GET  ${base}/auth/me http/1.1\r\nHost: localhost\r\n\r\n`,
      () => `GET ${base}/auth/me x HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      () => ` GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      () => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
      () => `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${'\x7f'.repeat(200)}`,
      () =>
        Array.from({ length: 200 }, () => String.fromCharCode(below(256)))
          .join('')
          .replace(/^[A-Za-z\r\n]/, '\x01'),
      () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      () => `GET ${base}/${'y'.repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(4000)}\r\n`,
    ])();
    return {
      what: `framing ${JSON.stringify(text.slice(0, 40))}…${JSON.stringify(text.slice(-60))}`,
      bytes: Buffer.from(text, 'latin1'),
      halfClose: true,
      mayHangUp: true,
    };
  };

  const truncated = (): Malformed => {
    const shape = pick(all);
    const whole = JSON.stringify({ ...shape.body, description: 'x' });
    const part = whole.slice(0, below(whole.length - 1));
    const headers = roll() < 0.5 ? [`Content-Length: ${whole.length}`] : ['Transfer-Encoding: chunked'];
    const body = headers[0]?.startsWith('Content') ? part : `${whole.length.toString(16)}\r\n${part}`;
    return { ...send('a body that ends too soon', shape, body, { headers }), halfClose: true, mayHangUp: true };
  };

  const authorization = (): Malformed => {
    const { token } = world;
    const [head = '', payload = '', signature = ''] = token.split('.');
    const line = pick([
      '',
      'Authorization:',
      'Authorization: Bearer',
      'Authorization: Bearer ',
      `Authorization: Basic ${token}`,
      `Authorization: Bearer  ${token}`,
      `Authorization: Bearer\t${token}`,
      `Authorization: Bearer ${token} x`,
      `Authorization: ${token}`,
      `Authorization: Bearer ${token},${token}`,
      `Authorization: Bearer ${token}=`,
      `Authorization: Bearer ${head}.${payload}.`,
      `Authorization: Bearer ${head}.${payload}`,
      `Authorization: Bearer ${head}..${signature}`,
      `Authorization: Bearer .${payload}.${signature}`,
      'Authorization: Bearer kh_',
      'Authorization: Bearer kh_x',
      `Authorization: Bearer kh_${'A'.repeat(64)}`,
      `Authorization: Bearer ${'x'.repeat(10_000)}`,
      `Authorization: Bearer ${'.'.repeat(100)}`,
      'Authorization: Bearer null',
      `Authorization: Bearer ${token.slice(0, -2)}`,
      'Authorization: Bearer \u00ff\u00fe',
      `X-Authorization: Bearer ${token}`,
      `Cookie: token=${token}`,
      `Authorization: Digest ${token}`,
    ]);
    const [verb, target] = pick([
      ['GET', '/secrets'],
      ['GET', `/secrets/${world.secretId}/value`],
      ['POST', `/secrets/${world.secretId}/deactivate`],
      ['DELETE', `/secrets/${world.secretId}`],
    ] as const);
    return {
      what: `credential ${line.slice(0, 40)}`,
      bytes: request({ method: verb, path: base + target, auth: false, headers: line === '' ? [] : [line] }),
    };
  };

  const header = (): Malformed => {
    const change = { method: 'PATCH', path: `${base}/secrets/${world.secretId}`, body: '{"type":"token"}' };
    const create = { method: 'POST', path: `${base}/secrets`, body: JSON.stringify(item) };
    const [parts, line] = pick([
      ...[
        'abc',
        '"1',
        '1',
        '""',
        '"0"',
        '"-1"',
        '"999999"',
        'W/"1"',
        '"1", "2"',
        '',
        ' ',
        "'1'",
        `"${'9'.repeat(400)}"`,
        '\u00ff',
        '"1""2"',
        '**',
      ].map((tag) => [change, `If-Match: ${tag}`] as const),
      ...['', ' ', 'a b', 'x'.repeat(256), 'ä', '\u00ff', 'a\tb'].map(
        (key) => [create, `Idempotency-Key: ${key}`] as const,
      ),
      [create, 'Idempotency-Key: a\r\nIdempotency-Key: b'] as const,
      ...[
        'x',
        '',
        ' ',
        '..',
        'a b',
        'x'.repeat(5000),
        world.userId,
        'ä',
        '%2e',
        `${world.sessionId}x`,
        `${world.sessionId},${world.sessionId}`,
      ].map((name) => [create, `X-Session-Id: ${name}`] as const),
      [create, `X-Session-Id: ${world.sessionId}\r\nX-Session-Id: x`] as const,
      [create, 'Expect: 200-maybe'] as const,
    ]);
    return { what: `header ${line.slice(0, 60)}`, bytes: request({ ...parts, headers: [line] }) };
  };

  const unwanted = (): Malformed => {
    const target = pick(bodyless(world));
    const [body, type] = pick([
      ['{"a":1}', 'application/json'],
      ['[1]', 'application/json'],
      ['x', 'text/plain'],
      ['1', 'application/json'],
      ['{', 'application/json'],
      ['"x"', 'application/json'],
    ] as const);
    return { what: `a body for ${target}`, bytes: request({ method: 'POST', path: base + target, body, type }) };
  };

  const tooLarge = (): Malformed => {
    const [shape, size] = pick([
      [all[1], 262_145],
      [all[0], 524_289],
      [all[2], 600_000],
      [all[8], 300_000],
      [all[14], 262_145],
    ] as const);
    const filled = JSON.stringify({ ...(shape as Shape).body, description: 'x'.repeat(size) });
    const headers = pick([
      [],
      ['Expect: 100-continue'],
      [`Content-Length: ${pick([1_000_000_000, 9_007_199_254_740_991])}`],
    ]);
    return { ...send(`a body of ${size}`, shape as Shape, filled, { headers }), halfClose: true, mayHangUp: true };
  };

  return [
    wrongField,
    wrongField,
    wrongField,
    missingField,
    unknownField,
    prototype,
    brokenJson,
    brokenJson,
    nesting,
    number,
    bytesInJson,
    surrogate,
    contentType,
    contentEncoding,
    path,
    path,
    query,
    query,
    otherQuery,
    method,
    framing,
    framing,
    truncated,
    authorization,
    header,
    header,
    unwanted,
    tooLarge,
  ] as const;
};
