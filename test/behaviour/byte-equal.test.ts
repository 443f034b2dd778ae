import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { count, seed } from '../support/counts.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people, uniqueName } from '../support/people.ts';

const largest = 65_536;

/** Two characters of each of the 17 planes, the first and the last that are no surrogates. */
const everyPlane = Array.from({ length: 17 }, (_, plane) =>
  String.fromCodePoint(plane * 0x10000 || 1, plane * 0x10000 + 0xffff, plane * 0x10000 + 0x1234),
).join('');

const values: Readonly<Record<string, string>> = {
  'one byte': 'x',
  'a NUL alone': '\0',
  'NULs at both ends and within': '\0a\0b\0',
  'CRLF, CR and LF': 'a\r\nb\rc\nd\r\n',
  'white space at both ends': ' \t\u00a0\u3000value\u2003 \n',
  'all 128 ASCII characters': String.fromCharCode(...Array.from({ length: 128 }, (_, code) => code)),
  'all C1 controls': String.fromCharCode(...Array.from({ length: 32 }, (_, code) => 0x80 + code)),
  'every Unicode plane': everyPlane,
  'noncharacters and private use': '\ufffe\uffff\u{1fffe}\ufdd0\ue000\u{10ffff}',
  'a byte order mark at the start': '\ufeffvalue',
  'a byte order mark alone': '\ufeff',
  'two byte order marks': '\ufeff\ufeff',
  'combining marks that are not normalised': 'e\u0301 \u00e9 \u212b \u00c5 A\u030a \ufb01 \u1e9b\u0323',
  'line and paragraph separators': 'a\u2028b\u2029c',
  'bidirectional and joining controls': '\u202eabc\u202c\u200d\u200b\u{e0001}',
  'a replacement character that was sent': '\ufffd',
  'JSON that looks like JSON': '{"value":"\\u0000","__proto__":{}}\\',
  'escapes that stay as they are': '\\n \\u0041 %41 &amp; \\x41',
  'what PostgreSQL might read': `'; drop table secrets; -- \\ $1 {} E'\\000'`,
  '64 KiB of one-byte characters': 'a'.repeat(largest),
  '64 KiB of NULs': '\0'.repeat(largest),
  '64 KiB of two-byte characters': 'é'.repeat(largest / 2),
  '64 KiB of three-byte characters': `${'語'.repeat((largest - 1) / 3)}a`,
  '64 KiB of four-byte characters': '😀'.repeat(largest / 4),
};

describe('the bytes of a value', () => {
  let app: TestApp;
  let ada: Person;
  beforeAll(async () => {
    app = await startApp({ env: { KEYHOLD_VERSIONS_KEPT: '3' } });
    ({ ada } = await people(app, await logInAdmin(app), 'ada'));
  });
  afterAll(() => app.close());

  /** The bytes of the answer itself, so that no decoder of ours can hide what was lost. */
  const bytesOf = async (id: string): Promise<Buffer> => {
    const response = await fetch(`${app.url}/api/v1/secrets/${id}/value`, {
      headers: { authorization: `Bearer ${ada.token}` },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return Buffer.from(JSON.parse(text).value, 'utf8');
  };

  const isSame = (got: Buffer, value: string): void =>
    // Compared as a flag, so that a failure doesn't print 64 KiB.
    expect(got.equals(Buffer.from(value, 'utf8'))).toBe(true);

  const create = (value: string) => keepSecret(ada, { value });
  const put = (id: string, value: string) => ada.call('PUT', `/secrets/${id}/value`, { body: { value } });

  it.each(Object.entries(values))('a value of this kind comes back byte by byte: %s', async (_what, value) => {
    const { id, name } = await create(value);
    isSame(await bytesOf(id), value);
    expectStatus(await put(id, 'another value'), 200);
    expectStatus(await put(id, value), 200);
    isSame(await bytesOf(id), value);
    expectStatus(await put(id, 'another value again'), 200);
    expectStatus(await ada.call('POST', `/secrets/${id}/versions/3/restore`), 201);
    isSame(await bytesOf(id), value);
    const imported = uniqueName('IMPORTED');
    const items = [{ name: imported, type: 'other', value }];
    expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
    const batch = expectStatus(await ada.call('POST', '/secrets/reveal', { body: { names: [name, imported] } }), 200)
      .body.secrets;
    expect(batch).toHaveLength(2);
    for (const one of batch) isSame(Buffer.from(one.value, 'utf8'), value);
  });

  it('a value comes back byte by byte however its JSON is written', async () => {
    const value = 'é\u{1f511}\u2028/"\\\u0000';
    const spellings = [
      JSON.stringify(value),
      '"\\u00e9\\ud83d\\udd11\\u2028\\/\\u0022\\u005c\\u0000"',
      '"\\u00E9\\uD83D\\uDD11\u2028/\\"\\\\\\u0000"',
    ];
    for (const spelling of spellings) {
      const { status, text } = await raw(
        'POST',
        '/secrets',
        `{"name":"${uniqueName()}","type":"other","value":${spelling}}`,
      );
      expect(status).toBe(201);
      isSame(await bytesOf(JSON.parse(text).id), value);
    }
  });

  it.each([
    ['of one-byte characters', 'a'.repeat(largest + 1)],
    ['ending in a two-byte character', `${'a'.repeat(largest - 1)}é`],
    ['of three-byte characters', '語'.repeat(largest / 3 + 1)],
    ['of four-byte characters', `${'😀'.repeat(largest / 4)}a`],
  ])('a value of more than 65,536 bytes is refused: %s', async (_what, value) => {
    const { id } = await keepSecret(ada);
    const body = { name: uniqueName(), type: 'other', value };
    const items = { items: [body], on_conflict: 'fail' };
    for (const answer of [
      await ada.call('POST', '/secrets', { body }),
      await put(id, value),
      await ada.call('POST', '/secrets/import', { body: items }),
    ])
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    isSame(await bytesOf(id), 'the value');
  });

  it('an empty value is refused', async () => {
    const body = { name: uniqueName(), type: 'other', value: '' };
    expect((await ada.call('POST', '/secrets', { body })).status).toBe(400);
  });

  const raw = async (method: string, path: string, body: string | Buffer) => {
    const response = await fetch(`${app.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
      body: new Uint8Array(Buffer.from(body)),
    });
    return { status: response.status, text: await response.text() };
  };

  /** Each way in which a value comes, as the JSON around it. */
  const ways = (id: string) =>
    [
      ['POST', '/secrets', (value: string) => `{"name":"${uniqueName()}","type":"other","value":${value}}`],
      ['PUT', `/secrets/${id}/value`, (value: string) => `{"value":${value}}`],
      [
        'POST',
        '/secrets/import',
        (value: string) =>
          `{"on_conflict":"fail","items":[{"name":"${uniqueName()}","type":"other","value":${value}}]}`,
      ],
    ] as const;

  it.each([
    ['a high surrogate alone', '"\\ud800"'],
    ['a low surrogate alone', '"\\udc00"'],
    ['two in the wrong order', '"\\udc00\\ud800"'],
    ['a high one twice', '"\\ud83d\\ud83d\\udd11"'],
    ['a high one at the end', '"abc\\ud83d"'],
    ['a high one and half an escape', '"\\ud83d\\u00e9"'],
  ])('a value with a lone surrogate is refused and not replaced: %s', async (_what, spelling) => {
    const { id } = await keepSecret(ada);
    for (const [method, path, around] of ways(id)) {
      const answer = await raw(method, path, around(spelling));
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).detail).toMatch(/surrogate/);
    }
    isSame(await bytesOf(id), 'the value');
  });

  it.each([
    ['a continuation byte alone', [0x80]],
    ['a byte that no UTF-8 has', [0xff]],
    ['NUL in two bytes', [0xc0, 0x80]],
    ['a slash in two bytes', [0xc0, 0xaf]],
    ['a sequence that ends too soon', [0xe2, 0x82]],
    ['a surrogate in three bytes (CESU-8)', [0xed, 0xa0, 0x80]],
    ['a pair of surrogates in six bytes', [0xed, 0xa0, 0xbd, 0xed, 0xb4, 0x91]],
    ['a character beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a sequence of five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['Latin-1', [0x63, 0x61, 0x66, 0xe9]],
  ])('a value of invalid UTF-8 is refused and not replaced: %s', async (_what, bytes) => {
    const { id } = await keepSecret(ada);
    for (const [method, path, around] of ways(id)) {
      const [before = '', after = ''] = around('"@"').split('@');
      const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
      const answer = await raw(method, path, body);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).detail).toMatch(/UTF-8/);
    }
    isSame(await bytesOf(id), 'the value');
  });

  it.each([
    ['as it is', '"one","value":"another"'],
    ['spelt in two ways', '"one","v\\u0061lue":"another"'],
    ['with the same text', '"one","value":"one"'],
    ['deeper down', '"one","metadata":{"a":{"b":1,"b":1}}'],
  ])('a body that has a member twice is refused: %s', async (_what, spelling) => {
    const { id } = await keepSecret(ada);
    for (const [method, path, around] of ways(id)) {
      const answer = await raw(method, path, around(spelling));
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).detail).toMatch(/twice/);
    }
    isSame(await bytesOf(id), 'the value');
    const once = await raw('POST', '/secrets', ways(id)[0][2]('"one","metadata":{"a":{"b":1},"b":{"a":1}}'));
    expect(once.status).toBe(201);
  });

  it.each(['"on_conflict":"fail","on_conflict":"skip","items":[]', '"on_conflict":"fail","items":[],"items":[]'])(
    'an import that has a member twice is refused: {%s}',
    async (members) => {
      expect((await raw('POST', '/secrets/import', `{${members}}`)).status).toBe(400);
    },
  );

  it('random values come back byte by byte', async () => {
    const character = fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.constantFrom('\0', '\r\n', '\ufeff', '\u2028', '"', '\\', '\ud83d\udd11', '\u0301') },
    );
    const text = fc.array(character, { minLength: 1, maxLength: 200 }).map((parts) => parts.join(''));
    // Many in one import and one reveal: a commit takes longer than everything else here.
    const many = fc.array(text, { minLength: 25, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(many, async (list) => {
        const items = list.map((value) => ({ name: uniqueName('ANY'), type: 'other', value }));
        expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
        const names = items.map((item) => item.name);
        const { secrets } = expectStatus(await ada.call('POST', '/secrets/reveal', { body: { names } }), 200).body;
        expect(secrets.map((one: { value: string }) => one.value)).toEqual(list);
      }),
      { numRuns: count(200), seed },
    );
  }, 600_000);
});
