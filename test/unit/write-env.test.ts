import { parse } from 'dotenv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeEnv } from '../../src/cli/transfer/write-env.ts';
import { count, seed } from '../support/counts.ts';

const marks = ['a', 'n', 'r', ' ', '\n', '\r', '\\', '"', "'", '`', '#', '$', '=', '{', '\u2028', '\ufeff', 'é', '🔑'];
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom(...marks), minLength: 1, maxLength: 12 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
);
const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/).filter((text) => text !== '__proto__');

const written = (variables: readonly { name: string; value: string }[]): string | null => {
  try {
    return writeEnv(variables);
  } catch {
    return null;
  }
};

describe('a .env file', () => {
  it('dotenv reads a .env file back byte for byte, or it is not written', () => {
    const variable = fc.record({ name, value });
    const variables = fc.uniqueArray(variable, { selector: (one) => one.name, minLength: 1, maxLength: 6 });
    const check = fc.property(variables, (all) => {
      const writable = all.filter((one) => written([one]) !== null);
      const expected = Object.fromEntries(writable.map((one) => [one.name, one.value]));
      expect(parse(writeEnv(writable))).toEqual(expected);
    });
    fc.assert(check, { numRuns: count(20_000), seed });
  });

  it.each([
    ['several lines', 'one\ntwo\n'],
    ['quotes of two kinds', `it's "here"`],
    ['a comment’s mark', 'a #b'],
    ['a dollar', `$HOME $\{x}`],
    ['a backslash', 'C:\\new\\'],
    ['a carriage return', 'a\r\nb'],
    ['white space around it', '  a  '],
  ])('a .env file can hold %s', (_what, text) => {
    expect(parse(writeEnv([{ name: 'A', value: text }]))).toEqual({ A: text });
  });

  it('a value that a .env file cannot hold is refused with an alternative', () => {
    expect(() => writeEnv([{ name: 'A', value: '\r\\n' }])).toThrow(/value of A .*--format json/);
  });
});
