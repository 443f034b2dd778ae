import type { Forge, Malformed } from './forge.ts';
import { item, type Shape } from './shapes.ts';

/* Bodies that are wrong in what they say. */

export const wrongField = ({ all, pick, send }: Forge): Malformed => {
  const shape = pick(all);
  const field = pick(Object.keys(shape.wrong));
  const value = pick(shape.wrong[field] ?? []);
  return send(`${field} = ${JSON.stringify(value)?.slice(0, 60)}`, shape, { ...shape.body, [field]: value });
};

export const missingField = ({ all, pick, send }: Forge): Malformed => {
  const shape = pick(all.filter(({ needs }) => needs.length > 0));
  const left = pick(shape.needs);
  return send(
    `without ${left}`,
    shape,
    Object.fromEntries(Object.entries(shape.body).filter(([name]) => name !== left)),
  );
};

export const unknownField = ({ all, pick, send }: Forge): Malformed => {
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

export const prototype = ({ all, pick, send }: Forge): Malformed => {
  const shape = pick(all);
  const inside = pick(['{"admin":true}', 'null', '1', '{"__proto__":{}}']);
  const whole = JSON.stringify(shape.body).slice(1);
  return send(
    '__proto__',
    shape,
    `{"${pick(['__proto__', '\\u005f_proto__'])}":${inside}${whole === '}' ? '' : ','}${whole}`,
  );
};

export const brokenJson = ({ all, below, pick, send }: Forge): Malformed => {
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
    () => `{"name":"${pick(['\n', '\t', '\\x41', '\\u12', '\\u{41}', '\\', '\\ud800', '\\udfff\\ud800', '\u0001'])}"}`,
  ])();
  return send('broken JSON', shape, broken);
};

export const nesting = ({ all, pick, send }: Forge): Malformed => {
  const shape = pick(all.filter(({ path }) => path !== '/secrets/import'));
  const levels = pick([33, 34, 100, 1000, 50_000, 100_000]);
  const [open, close] = pick([
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  const inner = pick([close.repeat(levels), '']);
  return send(`nested ${levels} deep`, shape, `{"metadata":${open.repeat(levels)}1${inner}}`);
};

export const number = ({ all, pick, send }: Forge): Malformed => {
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
    JSON.stringify({ ...shape.body, metadata: { n: 0 } }).replace('{"n":0}', `{"n":${pick([digits, `[${digits}]`])}}`),
  );
};

export const bytesInJson = ({ all, below, pick, roll, send }: Forge): Malformed => {
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

export const surrogate = ({ all, pick, send }: Forge): Malformed => {
  const shape = pick(all);
  const lone = pick(['\\ud800', '\\udc00', '\\udfff\\ud800', 'a\\ud83d', '\\ud83d\\ud83d', '\\uDBFF']);
  const name = pick(['name', 'value', 'description', 'username', 'password', 'title', 'new_password', lone]);
  return send(
    'a lone surrogate',
    shape,
    JSON.stringify({ ...shape.body, '@': 0 }).replace('"@":0', `"${name}":"${lone}"`),
  );
};
