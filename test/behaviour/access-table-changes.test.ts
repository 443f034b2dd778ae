import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managingNames, operationOf } from '../support/access-table/operations.ts';
import { nameOf, placesFor } from '../support/access-table/places.ts';
import { checkDestination, creationNames, destinations } from '../support/access-table/placing.ts';
import { checkRow, poolFor } from '../support/access-table/row.ts';
import { buildWorld, type World } from '../support/access-table/world.ts';
import { some } from '../support/counts.ts';

/** The second half of the access table, whose first is in access-table.test.ts: two files, so that two workers share it. */
describe('who may change a secret, cell by cell', () => {
  let world: World;
  beforeAll(async () => {
    world = await buildWorld(poolFor(managingNames));
  });
  afterAll(() => world.close());

  const rows = managingNames.flatMap((name) =>
    placesFor(operationOf(name).route).map((place) => ({ name, place, where: nameOf(place) })),
  );
  it.each(some(rows, 0))('$name: $where', async ({ name, place }) => {
    expect(await checkRow(world, name, place)).toBeGreaterThan(0);
  });

  const columns = creationNames.flatMap((creation) => destinations.map((to) => ({ creation, to })));
  it.each(columns)('$creation: to $to', async ({ creation, to }) => {
    expect(await checkDestination(world, creation, to)).toBeGreaterThan(0);
  });
});
