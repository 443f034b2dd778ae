import { describe, expect, it } from 'vitest';
import { expectedSchema } from '../../src/db/expected-schema.ts';
import { listed } from '../../src/doctor/finding.ts';
import { schemaDifferences } from '../../src/doctor/schema-differences.ts';

describe('the differences between two schemas', () => {
  it('are none between a schema and itself', () => {
    expect(schemaDifferences(expectedSchema, expectedSchema)).toEqual([]);
  });

  it('are none where the server has no role of the service, since its login then owns the tables', () => {
    const withoutRole = expectedSchema.filter(({ kind }) => kind !== 'role' && kind !== 'privileges of the service on');
    expect(withoutRole.length).toBeLessThan(expectedSchema.length);
    expect(schemaDifferences(expectedSchema, withoutRole)).toEqual([]);
  });

  it('name every object that is missing, but nothing of a table that is missing itself', () => {
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

  it('are shown with both values unless one is long', () => {
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
  it('shows the first hundred and says how many more there are', () => {
    const sentences = Array.from({ length: 107 }, (_, index) => `finding ${index}`);
    expect(listed(sentences, 'do something').map(({ what }) => what)).toEqual([
      ...sentences.slice(0, 100),
      '7 more findings of this kind are not listed.',
    ]);
    expect(listed(sentences.slice(0, 100), 'do something')).toHaveLength(100);
  });
});
