import type { Forge, Malformed } from './forge.ts';
import { item } from './shapes.ts';

/* Messages and headers that are wrong. */

export const framing = ({ base, below, pick, world }: Forge): Malformed => {
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
    () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`,
    () => `GET ${base}/${'y'.repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    () => `GET ${base}/auth/me HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(12_000)}\r\n`,
  ])();
  return {
    what: `framing ${JSON.stringify(text.slice(0, 40))}…${JSON.stringify(text.slice(-60))}`,
    bytes: Buffer.from(text, 'latin1'),
    halfClose: true,
    mayHangUp: true,
  };
};

export const authorization = ({ base, pick, request, world }: Forge): Malformed => {
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

export const header = ({ base, pick, request, world }: Forge): Malformed => {
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
