import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionsFor, describeCondition } from '../support/access-table/conditions.ts';
import { checkDestination, creationNames, destinations } from '../support/access-table/creating.ts';
import { managingNames, operationOf } from '../support/access-table/operations.ts';
import { checkRow, endedSecretsFor } from '../support/access-table/row.ts';
import { buildWorld, type World } from '../support/access-table/world.ts';
import { some } from '../support/counts.ts';

/** The second half of the tables of access, whose first half is in access-table.test.ts, so that two workers share them. */
describe('managing and creating a secret', () => {
  let world: World;
  beforeAll(async () => {
    world = await buildWorld(endedSecretsFor(managingNames));
  });
  afterAll(() => world.close());

  const rows = managingNames.flatMap((name) =>
    conditionsFor(operationOf(name).route).map((condition) => ({
      name,
      condition,
      described: describeCondition(condition),
    })),
  );
  it.each(some(rows, 0, 3, ({ name, described }) => `${name}: ${described}`))(
    '$name of a secret of $described answers every caller as the tables say',
    async ({ name, condition }) => {
      expect(await checkRow(world, name, condition)).toBeGreaterThan(0);
    },
  );

  const columns = creationNames.flatMap((creation) => destinations.map((to) => ({ creation, to })));
  it.each(columns)(
    '$creation of a secret for "$to" answers every caller as the table says',
    async ({ creation, to }) => {
      expect(await checkDestination(world, creation, to)).toBeGreaterThan(0);
    },
  );
});
