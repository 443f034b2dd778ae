/* Values that a field must not have, by what it should be. */

const deep = (levels: number): unknown => (levels === 0 ? 'x' : { a: deep(levels - 1) });
export const ids = (size: number): string[] =>
  Array.from({ length: size }, (_, at) => `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`);

export const notText = [null, 1, -1.5, true, [], {}, ['a'], { a: 'b' }];
export const notTextOrNull = notText.filter((value) => value !== null);
export const notId = [
  ...notText,
  '',
  'x',
  '0199d6f2',
  '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e1g',
  '{0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e11}',
];
export const notInstant = [
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
export const notFuture = ['2020-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z'];
export const notMetadata = [
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
export const notTags = [
  null,
  'x',
  {},
  1,
  [1],
  [null],
  [''],
  ['x'.repeat(65)],
  ['😀'.repeat(65)],
  ids(33),
  [['x']],
  ['a\0'],
];
export const notName = [
  ...notText,
  '',
  'a b',
  'ä',
  'a/b',
  '../a',
  'x'.repeat(257),
  'a\0b',
  ' a',
  'a\n',
  'a%00',
  'ａ',
  '😀',
];
export const notSession = [...notTextOrNull, '', '.', '..', 'a b', 'a/b', 'x'.repeat(129), 'ä', 'a\0', '%2e'];
export const notValue = [...notText, '', 'x'.repeat(65_537), 'ü'.repeat(32_769), '😀'.repeat(16_385)];
export const longText = (most: number) => [...notTextOrNull, 'x'.repeat(most + 1), '😀'.repeat(most + 1), 'a\0b', '\0'];
export const notUser = [
  ...notText,
  '',
  'x'.repeat(129),
  ' a',
  'a ',
  'a\u200b',
  '\u202ea',
  'a\0',
  '\u0007',
  'ﷺ'.repeat(100),
];
export const notPassword = [
  ...notText,
  '',
  'short',
  'x'.repeat(129),
  'x'.repeat(513),
  'a\0'.repeat(7),
  '😀'.repeat(129),
];
export const notEnum = [...notText, '', 'x', 'USER', 'user ', 'constructor', '__proto__'];
export const notNumber = [null, 'x', '1', true, [], {}, 0, -1, 1.5, 1e300, 315_360_001];
