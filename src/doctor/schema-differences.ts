import type { SchemaObject } from '../db/schema-objects.ts';

const maxShown = 120;

/**
 * One sentence for each object of the schema that is missing, changed or not Keyhold's, by comparing what is there with
 * what this version's migrations make. Where a relation is missing or replaced, what belongs to it is not reported as well.
 */
export const schemaDifferences = (
  expected: readonly SchemaObject[],
  actual: readonly SchemaObject[],
): readonly string[] => {
  const hasServiceRole = actual.some((object) => object.kind === 'role');
  const wanted = byKey(expected.filter((object) => hasServiceRole || !isAboutServiceRole(object)));
  const present = byKey(actual);
  const whole = relationsInBoth(wanted, present);
  const comparable = ({ relation }: SchemaObject): boolean => relation === null || whole.has(relation);
  const missing = [...wanted].filter(([key, object]) => !present.has(key) && comparable(object) && !isDerived(object));
  const extra = [...present].filter(([key, object]) => !wanted.has(key) && comparable(object) && !isDerived(object));
  return [
    ...missing.map(([, object]) => `The ${nameOf(object)} is missing.`),
    ...[...wanted].flatMap(([key, object]) => changesOf(object, present.get(key))),
    ...extra.map(([, object]) => describeExtra(object)),
  ];
};

const isAboutServiceRole = ({ kind }: SchemaObject): boolean => kind === 'role' || isServicePrivilege(kind);

const isServicePrivilege = (kind: string): boolean => kind === 'privileges of the service on';

// The privileges on an object come and go with the object, which is reported already.
const isDerived = ({ kind }: SchemaObject): boolean => isServicePrivilege(kind);

const keyOf = ({ kind, name, relation }: SchemaObject): string => JSON.stringify([kind, relation, name]);

const byKey = (objects: readonly SchemaObject[]): ReadonlyMap<string, SchemaObject> =>
  new Map(objects.map((object) => [keyOf(object), object]));

const relationKinds = new Set(['table', 'partitioned table', 'view', 'materialized view', 'foreign table', 'sequence']);

/** The names of the relations that are there and of the kind that they should be. */
const relationsInBoth = (
  wanted: ReadonlyMap<string, SchemaObject>,
  present: ReadonlyMap<string, SchemaObject>,
): ReadonlySet<string> =>
  new Set(
    [...wanted].filter(([key, { kind }]) => relationKinds.has(kind) && present.has(key)).map(([, { name }]) => name),
  );

const nameOf = ({ kind, name, relation }: SchemaObject): string => {
  const isNamedByRelation = relation === null || kind === 'column' || kind.startsWith('privileges');
  return isNamedByRelation ? `${kind} ${name}` : `${kind} ${name} of table ${relation}`;
};

const changesOf = (expected: SchemaObject, actual: SchemaObject | undefined): readonly string[] => {
  if (actual === undefined) return [];
  const names = [...new Set([...Object.keys(expected.facts), ...Object.keys(actual.facts)])];
  return names
    .filter((name) => expected.facts[name] !== actual.facts[name])
    .map((name) => changeOf(expected, name, actual.facts[name] ?? 'none', expected.facts[name] ?? 'none'));
};

const changeOf = (object: SchemaObject, fact: string, actual: string, expected: string): string => {
  const isShort = actual.length <= maxShown && expected.length <= maxShown;
  const change = isShort ? `is ${actual} and should be ${expected}` : 'was changed';
  return `In the ${nameOf(object)}, "${fact}" ${change}.`;
};

const describeExtra = (object: SchemaObject): string => {
  const { allowed } = object.facts;
  if (allowed !== undefined) return `There are ${nameOf(object)} that Keyhold does not grant: ${allowed}.`;
  return `The ${nameOf(object)} is not Keyhold's.`;
};
