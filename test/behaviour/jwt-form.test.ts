import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readJwtForm } from '../../src/auth/jwt-form.ts';
import { count, seed } from '../support/counts.ts';
import { encode, forge, type Members, otherSpellings } from '../support/forged-tokens.ts';

const header = { alg: 'EdDSA', typ: 'JWT', kid: 'k1' };
const payload = { iss: 'https://a.test', sub: 'u1', aud: 'keyhold', exp: 2_000_000_000, x: '1' };
const unsigned = () => 'c2lnbg';

const withHeader = (change: Members) => forge({ ...header, ...change }, payload, unsigned);
const withPayload = (change: Members) => forge(header, { ...payload, ...change }, unsigned);
const accepted = (token: string) => readJwtForm(token) !== null;

describe('a JWT in the accepted form', () => {
  it('a JWT is read as its header and claims', () => {
    expect(readJwtForm(forge(header, payload, unsigned))).toEqual({ header, payload });
  });

  it.each<[string, string]>([
    ['no typ, no kid', forge({ alg: 'RS256' }, payload, unsigned)],
    ['typ at+jwt', withHeader({ typ: 'at+jwt' })],
    ['typ in another case', withHeader({ typ: 'jwt' })],
    ['a header that names no key', withHeader({ x5t: 'abc' })],
    ['several audiences', withPayload({ aud: ['a', 'b'] })],
    ['a fractional time', withPayload({ exp: 2_000_000_000.25 })],
    ['nbf and iat', withPayload({ nbf: 1, iat: 2 })],
    ['a subject of 255 characters', withPayload({ sub: 's'.repeat(255) })],
    ['equal names in different objects', forge(header, { ...payload, a: { n: 1 }, b: [{ n: 1 }, { n: 2 }] }, unsigned)],
    ['a string that looks like a member', withPayload({ note: '{"iss":"x","iss":"y"}', tail: 'back\\slash"iss": ' })],
    ['a member named __proto__', forge(header, JSON.stringify(payload).replace('{', '{"__proto__":1,'), unsigned)],
  ])('a JWT may have %s', (_what, token) => {
    expect(accepted(token)).toBe(true);
  });
});

describe('a JWT with malformed parts', () => {
  const [first, second, third] = forge(header, payload, unsigned).split('.') as [string, string, string];

  it.each([
    '',
    '.',
    '..',
    'a',
    `${first}.${second}`,
    `${first}.${second}.`,
    `.${second}.${third}`,
    `${first}..${third}`,
  ])('a JWT is refused if parts are missing: %j', (token) => {
    expect(accepted(token)).toBe(false);
    expect(accepted(`${first}.${second}.${third}`)).toBe(true);
  });

  it('a JWT is refused with four parts, or with five like an encrypted one', () => {
    expect(accepted(`${first}.${second}.${third}.${third}`)).toBe(false);
    expect(accepted(`${first}.${second}.${third}.${third}.${third}`)).toBe(false);
    expect(accepted(`${first}.${second}.${third}`)).toBe(true);
  });

  it.each([0, 1, 2])('a JWT is refused if part %i has another spelling than the canonical one', (at) => {
    const spelled = [encode({ ...header, p: '1' }), encode({ ...payload, y: '' }), third];
    expect(accepted(spelled.join('.'))).toBe(true);
    for (const spelling of otherSpellings(spelled[at] ?? '')) {
      expect(accepted(spelled.with(at, spelling).join('.')), spelling).toBe(false);
    }
  });

  it('a JWT is refused in the alphabet of plain base64', () => {
    const url = `${first}.${second}.-_-_`;
    expect(accepted(url)).toBe(true);
    expect(accepted(url.replace('-_-_', '+/+/'))).toBe(false);
    expect(accepted(url.replace('-_-_', '-_+_'))).toBe(false);
  });

  it('a JWT is refused if a part has a leftover character', () => {
    expect(accepted(`${first}.${second}.AAAAA`)).toBe(false);
    expect(accepted(`${first}.${second}.AAAAAA`)).toBe(true);
  });

  it('a JWT of more than 8 KiB is refused, and one of 8 KiB is read', () => {
    const ofLength = (length: number) => {
      const withoutSignature = `${encode({ ...header, pad: 'x'.repeat(length % 4) })}.${second}.`;
      return withoutSignature + 'A'.repeat(length - withoutSignature.length);
    };
    const lengths = [8189, 8190, 8191, 8192];
    const read = lengths.filter((length) => accepted(ofLength(length)));
    expect(read.length).toBeGreaterThan(1);
    for (const length of read) expect(accepted(ofLength(length + 4))).toBe(false);
    expect(accepted(`${'A'.repeat(10_000_000)}`)).toBe(false);
  });

  it.each<[string, string]>([
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"x"'],
    ['a number', '1'],
    ['no JSON', '{'],
    ['empty braces', '{}'],
    ['two values', '{}{}'],
    ['a byte order mark', `\ufeff${JSON.stringify(payload)}`],
  ])('a JWT is refused if its header or claims are %s', (_what, json) => {
    expect(accepted(forge(json, payload, unsigned))).toBe(false);
    expect(accepted(forge(header, json, unsigned))).toBe(false);
    expect(accepted(forge(JSON.stringify(header), JSON.stringify(payload), unsigned))).toBe(true);
  });

  it('a JWT is refused if its text is not UTF-8', () => {
    const bytes = Buffer.from(JSON.stringify({ ...payload, name: 'é' }));
    const broken = Buffer.from(bytes);
    broken[broken.indexOf(0xc3)] = 0xff;
    expect(accepted(`${first}.${bytes.toString('base64url')}.${third}`)).toBe(true);
    expect(accepted(`${first}.${broken.toString('base64url')}.${third}`)).toBe(false);
  });

  it.each<[string, string]>([
    ['plainly', '"iss":"https://b.test",'],
    ['with an escape', '"i\\u0073s":"https://b.test",'],
    ['with white space', '"iss" \n: "https://b.test" ,'],
    ['deeper down', '"act":{"sub":"a","sub":"b"},'],
    ['in a list', '"l":[1,{"a":1,"b":{},"a":2}],'],
    ['under an odd name', '"__proto__":1,"__proto__":2,'],
  ])('a JWT is refused if its claims have a name twice: %s', (_how, extra) => {
    expect(accepted(forge(header, JSON.stringify(payload).replace('{', `{${extra}`), unsigned))).toBe(false);
    expect(accepted(forge(header, JSON.stringify(payload).replace('{', '{"other":1,'), unsigned))).toBe(true);
  });

  it('a JWT is refused if its header has a name twice', () => {
    expect(accepted(forge('{"alg":"EdDSA","alg":"none"}', payload, unsigned))).toBe(false);
    expect(accepted(forge('{"alg":"EdDSA"}', payload, unsigned))).toBe(true);
  });
});

describe('a JWT with members that are not accepted', () => {
  it.each(['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64'])(
    'a JWT with the header %s is refused, whatever its content',
    (name) => {
      for (const value of ['https://evil.test/keys', {}, [], ['b64'], true, false, null, '']) {
        expect(accepted(withHeader({ [name]: value }))).toBe(false);
      }
      expect(accepted(withHeader({ [`${name}2`]: 'x' }))).toBe(true);
    },
  );

  it.each<[string, Members]>([
    ['alg missing', { alg: undefined }],
    ['alg a number', { alg: 1 }],
    ['alg a list', { alg: ['EdDSA'] }],
    ['alg empty', { alg: '' }],
    ['kid a number', { kid: 1 }],
    ['kid null', { kid: null }],
    ['kid empty', { kid: '' }],
    ['kid too long', { kid: 'k'.repeat(256) }],
    ['typ of another kind', { typ: 'logout+jwt' }],
    ['typ no string', { typ: ['JWT'] }],
    ['typ null', { typ: null }],
  ])('a JWT is refused with %s', (_what, change) => {
    expect(accepted(withHeader(change))).toBe(false);
    expect(accepted(withHeader({}))).toBe(true);
  });

  it.each<[string, Members]>([
    ['iss missing', { iss: undefined }],
    ['iss a list', { iss: ['https://a.test'] }],
    ['iss an object', { iss: {} }],
    ['iss empty', { iss: '' }],
    ['sub missing', { sub: undefined }],
    ['sub empty', { sub: '' }],
    ['sub a number', { sub: 7 }],
    ['sub too long', { sub: 's'.repeat(256) }],
    ['sub with NUL', { sub: 'a\0b' }],
    ['aud missing', { aud: undefined }],
    ['aud a number', { aud: 7 }],
    ['aud a list of other things', { aud: ['keyhold', 7] }],
    ['exp missing', { exp: undefined }],
    ['exp a string', { exp: '2000000000' }],
    ['exp null', { exp: null }],
    ['exp below zero', { exp: -1 }],
    ['exp beyond what a date holds', { exp: 1e300 }],
    ['nbf a string', { nbf: '1' }],
    ['iat a string', { iat: '1' }],
    ['nbf null', { nbf: null }],
  ])('a JWT is refused with %s', (_what, change) => {
    expect(accepted(withPayload(change))).toBe(false);
    expect(accepted(withPayload({}))).toBe(true);
  });

  it('a JWT is refused if its exp is more than a number can hold', () => {
    const written = (exp: string) => forge(header, JSON.stringify(payload).replace('2000000000', exp), unsigned);
    expect(accepted(written('1e999'))).toBe(false);
    expect(accepted(written('2e9'))).toBe(true);
  });

  it('a JWT is refused if its subject has a lone surrogate, which would be stored as another character', () => {
    const written = (sub: string) => forge(header, JSON.stringify(payload).replace('"u1"', sub), unsigned);
    expect(accepted(written('"\\ud83d"'))).toBe(false);
    expect(accepted(written('"\\ud83d\\ude00"'))).toBe(true);
  });
});

describe('any text in place of a JWT', () => {
  it('any text is read or refused as a JWT without an exception', () => {
    const part = fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.json().map(encode));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const form = readJwtForm(parts.join('.'));
        expect(form === null || typeof form.payload.iss === 'string').toBe(true);
      }),
      { numRuns: count(2000), seed },
    );
  });

  it('a name that is in a JSON object once is never mistaken for one that is there twice', () => {
    const member = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' });
    fc.assert(
      fc.property(member, fc.integer({ min: 0, max: 2 }), (claim, indent) => {
        const json = JSON.stringify({ ...payload, claim }, null, indent);
        fc.pre(json.length < 5000);
        expect(accepted(forge(header, json, unsigned))).toBe(true);
        expect(accepted(forge(header, json.replace(/^\{/, '{"claim":0,'), unsigned))).toBe(false);
      }),
      { numRuns: count(2000), seed },
    );
  });
});
