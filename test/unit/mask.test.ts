import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMaskers } from '../../src/cli/run/masker.ts';
import { count, seed } from '../support/counts.ts';

const whole = (values: readonly string[], bytes: Uint8Array): Buffer => {
  const masker = createMaskers(values)();
  return Buffer.concat([masker.push(bytes), masker.end()]);
};

const masked = (values: readonly string[], text: string): string => whole(values, Buffer.from(text)).toString();

const secret = 'sk_live/4eC39+HqLyjW "Darj\\tT1zé';

describe('values in output', () => {
  it('a value is masked and everything else is left unchanged', () => {
    expect(masked([secret], `before ${secret} after`)).toBe('before [masked] after');
    expect(masked([secret], 'nothing to hide: sk_live/4eC39')).toBe('nothing to hide: sk_live/4eC39');
  });

  it.each([0, 1, 2, 3, 4, 5])('a value is masked in base64 after %i other bytes', (before) => {
    const text = Buffer.from(`${'x'.repeat(before)}${secret}!and more`).toString('base64');
    const out = masked([secret], text);
    expect(out).toContain('[masked]');
    expect(Buffer.from(out.replace('[masked]', ''), 'base64').length).toBeLessThan(before + 14);
    expect(masked([secret], Buffer.from(`${'x'.repeat(before)}${secret}!and`).toString('base64url'))).toContain(
      '[masked]',
    );
  });

  it.each([
    ['base64', Buffer.from(secret).toString('base64')],
    ['base64 of the value and a line end', Buffer.from(`${secret}\n`).toString('base64').replace(/.{4}$/, '')],
    ['url-safe base64', Buffer.from(secret).toString('base64url')],
    ['url-safe base64, padded', Buffer.from(secret).toString('base64').replaceAll('+', '-').replaceAll('/', '_')],
    ['encodeURIComponent', encodeURIComponent(secret)],
    ['lower-case percent signs', encodeURIComponent(secret).replaceAll(/%../g, (code) => code.toLowerCase())],
    ['a form', new URLSearchParams({ v: secret }).toString().slice(2)],
    ['hexadecimal', Buffer.from(secret).toString('hex')],
    ['upper-case hexadecimal', Buffer.from(secret).toString('hex').toUpperCase()],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['JSON in ASCII', JSON.stringify(secret).slice(1, -1).replace('é', '\\u00e9')],
    ['JSON with escaped slashes', JSON.stringify(secret).slice(1, -1).replace('/', '\\/')],
  ])('a value is masked in the form of %s', (_form, text) => {
    expect(masked([secret], `<${text}>`)).toBe('<[masked]>');
  });

  it('a value is masked without its final newline, and line by line', () => {
    const key = '-----BEGIN KEY-----\nc29tZSBrZXkgbWF0ZXJpYWw=\nbW9yZSBtYXRlcmlhbA==\n-----END KEY-----\n';
    expect(masked([key], key.trimEnd())).toBe('[masked]');
    expect(masked([key], `  ${key.split('\n')[1]}\r\n`)).toBe('  [masked]\r\n');
  });

  it.each([20, 64, 76])('a value is masked wherever base64 breaks its lines of %i characters', (width) => {
    const token = 'github_pat_11ABCDEFG0abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst';
    for (const value of [token, 'sk_short_one']) {
      for (let before = 0; before < width; before += 1) {
        for (const end of ['\n', '\r\n']) {
          const text = Buffer.from(`${'x'.repeat(before)}${value}!and more`).toString('base64');
          const out = masked([value], text.replaceAll(new RegExp(`.{${width}}`, 'g'), `$&${end}`));
          expect(Buffer.from(out.replaceAll('[masked]', ''), 'base64').toString()).not.toContain(value.slice(3, -3));
          expect(out).toContain('[masked]');
        }
      }
    }
  });

  it('a line is not held back for a few base64 characters at its end', () => {
    const masker = createMaskers(['hunter2!'])();
    expect(masker.push(Buffer.from('ready: a\n')).toString()).toBe('ready: a\n');
    expect(masker.push(Buffer.from('HVu')).toString()).toBe('');
    expect(masker.push(Buffer.from('dGVyMiE=\n')).toString()).toBe('[masked]\n');
  });

  it('nothing else is masked where a line ends in a few base64 characters', () => {
    const masker = createMaskers(['ABCDEFGHIJKLMNOPQR'])();
    const parts = ['line Q\n', 'UJDREVGR0hJ', ' nothing\n'].map((part) => masker.push(Buffer.from(part)).toString());
    expect(parts.join('') + masker.end()).toBe('line Q\nUJDREVGR0hJ nothing\n');
  });

  it('nothing else is masked, however the stream is split', () => {
    const value = 'ABCDEFGHIJ';
    const forms = [value, 'QUJDREVGR0hJSg==', 'FCQ0RFRkdISU', 'BQkNERUZHSElK'];
    const unit = fc.constantFrom('Q', 'U', 'J', 'QUJ', 'DRE', 'VGR0', '\n', '\r\n', ' ', 'A', 'ABC', 'xyz');
    const text = fc.array(unit, { maxLength: 40 }).map((units) => units.join(''));
    const check = fc.property(text, fc.array(fc.nat(120), { maxLength: 12 }), (shown, cuts) => {
      fc.pre(!forms.some((form) => shown.replaceAll(/[\r\n]/g, '').includes(form.slice(0, 8))));
      const places = [0, ...cuts.map((cut) => Math.min(cut, shown.length)).sort((a, b) => a - b), shown.length];
      const masker = createMaskers([value])();
      const parts = places.slice(1).map((end, at) => masker.push(Buffer.from(shown.slice(places[at], end))).toString());
      expect(parts.join('') + masker.end().toString()).toBe(shown);
    });
    fc.assert(check, { numRuns: count(20_000), seed });
  });

  it('a long value is masked across the line breaks of base64', () => {
    const long = Array.from({ length: 200 }, (_, index) => String.fromCharCode(33 + ((index * 7) % 90))).join('');
    const lines = Buffer.from(long).toString('base64').replaceAll(/.{76}/g, '$&\n');
    expect(masked([long], lines)).toBe('[masked]');
  });

  it('the password of a URL is masked by itself, as it stands there and decoded', () => {
    const url = 'postgres://app:s3cr%40t!word@db.example:5432/orders';
    expect(masked([url], `<${url}>`)).toBe('<[masked]>');
    expect(masked([url], 'the password s3cr%40t!word, or s3cr@t!word')).toBe('the password [masked], or [masked]');
    expect(masked([url], 'app at db.example:5432/orders')).toBe('app at db.example:5432/orders');
    expect(masked(['postgres://app@db.example/orders'], 'app')).toBe('app');
  });

  it.each([
    'postgres://app:abc%2Fd8Xq==@db/x',
    'postgres://app:p^ss%zz9!@db',
    'mongodb://u:S3cretPw9@h1:27017,h2:27017/',
    'postgres://u:S3cretPw9@/db?host=/var/run',
    'mysql://u:S3cretPw9@tcp(h:3306)/db',
    'jdbc:postgresql://u:S3cretPw9@h/db',
    'redis://:S3cret/Pw9@h/0',
  ])('the password of %s is masked as it stands there', (url) => {
    const password = /:\/\/[^:]*:(.*)@/.exec(url)?.[1] ?? '';
    expect(masked([url], `<${password}>`)).toBe('<[masked]>');
  });

  it.each([
    ['postgres://postgres:postgres@localhost:5432/postgres', 'postgresql: database postgres'],
    ['mysql://root:toor@db', '/root/.cache toor chroot'],
    ['https://a:%20%20%20%20%20%20%20%20@db', 'x          y'],
  ])('a word as common as the password of %s is not masked by itself', (url, text) => {
    expect(masked([url], text)).toBe(text);
    expect(masked([url], `<${url}>`)).toBe('<[masked]>');
  });

  it('line breaks are not held back after a blank line, however many follow', () => {
    const masker = createMaskers(['hunter2!'])();
    const shown = masker.push(Buffer.from(`aHVud${'\n'.repeat(1000)}`)).toString();
    expect(shown.length).toBeGreaterThan(990);
    expect(masker.push(Buffer.from('GVyMiE=')).toString() + masker.end()).not.toContain('[masked]');
    expect(masked(['hunter2!'], 'aHVud\r\nGVyMiE=\r\n')).toBe('[masked]\r\n');
  });

  it('thousands of lines that begin alike are found as quickly as others', () => {
    const lines = Array.from({ length: 3000 }, (_, at) => `export V0_${String(at).padStart(5, '0')}=x`);
    const values = Array.from({ length: 8 }, (_, at) => lines.map((line) => line.replace('V0', `V${at}`)).join('\n'));
    const shown = masked(values, `${values[3]}\nexport V3_99999=x\n${lines[7]}`);
    expect(shown).toBe('[masked]\nexport V3_99999=x\n[masked]');
  });

  it('a value with line ends of Windows is masked where they were changed', () => {
    expect(masked(['ab\r\ncd\r\nef'], 'ab\ncd\nef')).toBe('[masked]');
  });

  it('a part of a long value is masked, and little of it is held back', () => {
    const long = Array.from({ length: 65_536 }, (_, at) => String.fromCharCode(33 + ((at * at + (at >> 7)) % 90))).join(
      '',
    );
    expect(masked([long], `<${long}>`)).toBe('<[masked]>');
    const cut = masked([long], `<${long.slice(0, 40_000)}`);
    expect(cut).toMatch(/^<\[masked\]/);
    expect(cut.length).toBeLessThan(1100);
    const masker = createMaskers([long])();
    masker.push(Buffer.from(long.slice(0, 40_000)));
    expect(masker.push(Buffer.from('\nready\n')).toString()).toContain('ready');
  });

  it('thirty values of 64 KiB are held in less than 200 MB', () => {
    const held = (): number => {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const before = held();
    const values = Array.from({ length: 30 }, () => randomBytes(49_152).toString('base64'));
    const make = createMaskers(values);
    expect(held() - before).toBeLessThan(200 * 2 ** 20);
    const [one = ''] = values;
    const masker = make();
    const text = Buffer.from(`<${one}> ${one.slice(0, 3)}`);
    expect(Buffer.concat([masker.push(text), masker.end()]).toString()).toBe(`<[masked]> ${one.slice(0, 3)}`);
  });

  it('each occurrence of each value is masked, and nothing else', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 4, maxLength: 9 });
    const world = fc.record({
      values: fc.array(letters, { minLength: 1, maxLength: 4 }),
      text: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 60 }),
    });
    const naive = (values: readonly string[], text: string): string => {
      const hidden = Array.from({ length: text.length }, (_, at) =>
        values.some((value) =>
          Array.from({ length: value.length }, (_, back) => at - back).some(
            (from) => text.startsWith(value, from) && from >= 0,
          ),
        ),
      );
      return [...text].map((letter, at) => (hidden[at] ? (hidden[at - 1] ? '' : '[masked]') : letter)).join('');
    };
    const check = fc.property(world, ({ values, text }) => {
      expect(masked(values, text)).toBe(naive(values, text));
    });
    fc.assert(check, { numRuns: count(20_000), seed });
  });

  it('overlapping values are masked together', () => {
    expect(masked(['abcdef', 'defghi'], '-abcdefghi-')).toBe('-[masked]-');
    expect(masked(['abab'], '-ababab-')).toBe('-[masked]-');
    expect(masked(['secret', 'secret-and-more'], 'secret-and-mor secret-and-more')).toBe('[masked]-and-mor [masked]');
  });

  it('a value of fewer than four bytes is not masked', () => {
    expect(masked(['abc'], 'abc')).toBe('abc');
    expect(masked(['abcd'], 'abcd')).toBe('[masked]');
  });

  it('values are masked the same however the stream is split', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\n', '/', ' '), minLength: 1, maxLength: 12 });
    const values = fc.array(letters, { minLength: 1, maxLength: 4 });
    const piece = (all: readonly string[]) =>
      fc.oneof(
        letters,
        fc.constantFrom(...all),
        fc.constantFrom(...all).map((value) => Buffer.from(value).toString('base64')),
        fc.constantFrom(...all).map((value) => encodeURIComponent(value)),
      );
    const stream = values.chain((all) =>
      fc.record({
        all: fc.constant(all),
        text: fc.array(piece(all), { maxLength: 12 }).map((pieces) => pieces.join('')),
        cuts: fc.array(fc.nat(200), { maxLength: 8 }),
      }),
    );
    const check = fc.property(stream, ({ all, text, cuts }) => {
      const bytes = Buffer.from(text);
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const masker = createMaskers(all)();
      const parts = places.slice(1).map((end, index) => masker.push(bytes.subarray(places[index], end)));
      const out = Buffer.concat([...parts, masker.end()]);
      expect(out.toString('latin1')).toBe(whole(all, bytes).toString('latin1'));
      for (const value of all.filter((one) => Buffer.byteLength(one) >= 4)) expect(out.includes(value)).toBe(false);
    });
    fc.assert(check, { numRuns: count(5_000), seed });
  });

  it('output is held back only while it may become a value', () => {
    const masker = createMaskers(['hunter2!'])();
    expect(masker.push(Buffer.from('Password: hun')).toString()).toBe('Password: ');
    expect(masker.push(Buffer.from('gry?')).toString()).toBe('hungry?');
    expect(masker.end().toString()).toBe('');
  });
});
