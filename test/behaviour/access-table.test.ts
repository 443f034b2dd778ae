import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerNames } from '../support/access-table/callers.ts';
import { conditions, conditionsFor, describeCondition } from '../support/access-table/conditions.ts';
import { expected, unknownNames } from '../support/access-table/expectations.ts';
import { checkListing, createOneOfEach, type SecretsByCondition } from '../support/access-table/listings.ts';
import { operationNames, operationOf, readingNames, writingNames } from '../support/access-table/operations.ts';
import { expectedWith, outcomeWith, permissionColumns } from '../support/access-table/permitted.ts';
import { restorations } from '../support/access-table/restoring.ts';
import { checkRow, endedSecretsFor } from '../support/access-table/row.ts';
import { buildWorld, type World } from '../support/access-table/world.ts';
import { isFull, some } from '../support/counts.ts';

describe('the tables of access to a secret', () => {
  it('the tables have one outcome for every operation, caller and condition, and no line for anything else', () => {
    for (const name of operationNames)
      for (const caller of callerNames)
        for (const condition of conditions) expect(expected(name, caller, condition)).not.toBe('');
    expect(unknownNames()).toEqual([]);
  });
});

/** The operations that manage a secret are in access-table-changes.test.ts, so that two workers share the tables. */
describe('reading, revealing and writing a secret', () => {
  const names = [...readingNames, ...writingNames];
  let world: World;
  let secrets: SecretsByCondition;
  beforeAll(async () => {
    world = await buildWorld(endedSecretsFor(names) + 1);
    secrets = await createOneOfEach(world);
  });
  afterAll(() => world.close());

  it.each(callerNames)('lists and counts hold what the tables say for the caller "%s"', async (caller) => {
    await checkListing(world, secrets, caller);
  });

  const rows = names.flatMap((name) =>
    conditionsFor(operationOf(name).route).map((condition) => ({
      name,
      condition,
      described: describeCondition(condition),
    })),
  );
  it.each(some(rows, 0, 2, ({ name, described }) => `${name}: ${described}`))(
    '$name of a secret of $described answers every caller as the tables say',
    async ({ name, condition }) => {
      expect(await checkRow(world, name, condition)).toBeGreaterThanOrEqual(isFull ? callerNames.length : 1);
    },
  );

  it.each(operationNames)('a token needs one permission for %s, and no other permission will do', async (name) => {
    const [target] = await world.newSecrets({ scope: 'shared', state: 'live', ended: false }, 1, operationOf(name));
    if (!target) throw new Error('no secret to try it on');
    const allowedLast = permissionColumns.toSorted((one) => (expectedWith(name, one) === 'ok' ? 1 : -1));
    const outcomes = new Map<string, string>();
    for (const column of allowedLast) outcomes.set(column, await outcomeWith(world, name, column, target));
    expect(permissionColumns.map((column) => [column, outcomes.get(column)])).toEqual(
      permissionColumns.map((column) => [column, expectedWith(name, column)]),
    );
    expect([...outcomes.values()].filter((outcome) => outcome === 'ok')).toHaveLength(1);
  });

  // Last: these restore what callers lost, so that they are no longer what the tables say.
  it.each(Object.entries(restorations))('%s', async (_title, check) => {
    await check(world);
  });
});
