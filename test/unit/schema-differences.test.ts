import { describe, expect, it } from 'vitest';
import { expectedSchema } from '../../src/db/expected-schema.ts';
import { listed } from '../../src/doctor/finding.ts';
import { schemaDifferences } from '../../src/doctor/schema-differences.ts';

describe('the differences between two schemas', () => {
  it('a schema does not differ from itself', () => {
    expect(schemaDifferences(expectedSchema, expectedSchema)).toEqual([]);
  });

  it('a server without the service role does not differ in the privileges of that role', () => {
    const withoutRole = expectedSchema.filter(({ kind }) => kind !== 'role' && kind !== 'privileges of the service on');
    expect(withoutRole.length).toBeLessThan(expectedSchema.length);
    expect(schemaDifferences(expectedSchema, withoutRole)).toEqual([]);
  });

  it('every missing object is named, but not the parts of a missing table', () => {
    const index = expectedSchema.find(({ kind }) => kind === 'unique index');
    if (index === undefined) throw new Error('the schema has no unique index');
    expect(
      schemaDifferences(
        expectedSchema,
        expectedSchema.filter((one) => one !== index),
      ),
    ).toEqual([`The unique index ${index.name} of table ${index.relation} is missing.`]);
    const withoutUsers = expectedSchema.filter(({ name, relation }) => name !== 'users' && relation !== 'users');
    expect(schemaDifferences(expectedSchema, withoutUsers)).toEqual(['The table users is missing.']);
  });

  it('a change is shown with both values unless one of them is long', () => {
    const changed = (body: string) =>
      schemaDifferences(
        [{ kind: 'function', name: 'f()', relation: null, facts: { body: 'short' } }],
        [{ kind: 'function', name: 'f()', relation: null, facts: { body } }],
      );
    expect(changed('other')).toEqual(['In the function f(), "body" is other and should be short.']);
    expect(changed('x'.repeat(1000))).toEqual(['In the function f(), "body" was changed.']);
  });
});

describe('a list of findings', () => {
  it('a list of findings shows the first hundred and the number of the others', () => {
    const sentences = Array.from({ length: 107 }, (_, index) => `finding ${index}`);
    expect(listed(sentences, 'do something').map(({ what }) => what)).toEqual([
      ...sentences.slice(0, 100),
      '7 more findings of this kind are not listed.',
    ]);
    expect(listed(sentences.slice(0, 100), 'do something')).toHaveLength(100);
  });
});
