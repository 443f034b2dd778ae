import { gzipSync } from 'node:zlib';
import type { Forge, Malformed } from './forge.ts';
import { bodyless, type Shape } from './shapes.ts';

/* Bodies that are wrong in how they come. */

export const contentType = ({ all, pick, send }: Forge): Malformed => {
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

export const contentEncoding = ({ all, pick, roll, send }: Forge): Malformed => {
  const shape = pick(all);
  const encoding = pick(['gzip', 'deflate', 'br', 'zstd', 'x', 'gzip, gzip', 'identity, gzip', 'GZIP', '*']);
  const whole = JSON.stringify(shape.body);
  return send(`encoding ${encoding}`, shape, roll() < 0.5 ? gzipSync(whole) : whole, {
    headers: [`Content-Encoding: ${encoding}`],
  });
};

export const truncated = ({ all, below, pick, roll, send }: Forge): Malformed => {
  const shape = pick(all);
  const whole = JSON.stringify({ ...shape.body, description: 'x' });
  const part = whole.slice(0, below(whole.length - 1));
  const headers = roll() < 0.5 ? [`Content-Length: ${whole.length}`] : ['Transfer-Encoding: chunked'];
  const body = headers[0]?.startsWith('Content') ? part : `${whole.length.toString(16)}\r\n${part}`;
  return { ...send('a body that ends too soon', shape, body, { headers }), halfClose: true, mayHangUp: true };
};

export const unwanted = ({ base, pick, request, world }: Forge): Malformed => {
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

export const tooLarge = ({ all, pick, send }: Forge): Malformed => {
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
