import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerNames } from '../support/access-table/callers.ts';
import { expected, strayNames } from '../support/access-table/expectations.ts';
import { liftings } from '../support/access-table/lifting.ts';
import { checkListing, fillShelf, type Shelf } from '../support/access-table/listings.ts';
import { lookingNames, operationNames, operationOf, writingNames } from '../support/access-table/operations.ts';
import { expectedWith, outcomeWith, permissionColumns } from '../support/access-table/permitted.ts';
import { nameOf, places, placesFor } from '../support/access-table/places.ts';
import { checkRow, poolFor } from '../support/access-table/row.ts';
import { buildWorld, type World } from '../support/access-table/world.ts';
import { isFull } from '../support/counts.ts';

describe('the table of who may do what with a secret', () => {
  it('has one outcome for every operation, caller and place, and no line for anybody else', () => {
    for (const name of operationNames)
      for (const caller of callerNames) for (const place of places) expect(expected(name, caller, place)).not.toBe('');
    expect(strayNames()).toEqual([]);
  });
});

/** The other half of the operations is in access-table-changes.test.ts: two files, so that two workers share the table. */
describe('who may look, reveal and write, cell by cell', () => {
  const names = [...lookingNames, ...writingNames];
  let world: World;
  let shelf: Shelf;
  beforeAll(async () => {
    world = await buildWorld(poolFor(names) + 1);
    shelf = await fillShelf(world);
  });
  afterAll(() => world.close());

  it.each(callerNames)('what is listed and counted for: %s', async (caller) => {
    await checkListing(world, shelf, caller);
  });

  const rows = names.flatMap((name) =>
    placesFor(operationOf(name).route).map((place) => ({ name, place, where: nameOf(place) })),
  );
  it.each(rows)('$name: $where', async ({ name, place }) => {
    expect(await checkRow(world, name, place)).toBeGreaterThanOrEqual(isFull ? callerNames.length : 1);
  });

  it.each(operationNames)('a token needs one permission for it, and no other will do: %s', async (name) => {
    const [target] = await world.fresh({ scope: 'shared', state: 'live', ended: false }, 1, operationOf(name));
    if (!target) throw new Error('no secret to ask about');
    const inOrder = permissionColumns.toSorted((one) => (expectedWith(name, one) === 'ok' ? 1 : -1));
    const came = new Map<string, string>();
    for (const column of inOrder) came.set(column, await outcomeWith(world, name, column, target));
    expect(permissionColumns.map((column) => [column, came.get(column)])).toEqual(
      permissionColumns.map((column) => [column, expectedWith(name, column)]),
    );
    expect([...came.values()].filter((outcome) => outcome === 'ok')).toHaveLength(1);
  });

  // Last: these give back what was taken away, and nobody is then who the table says.
  it.each(Object.entries(liftings))('what refuses them is only that: %s', async (_name, lifting) => {
    await lifting(world);
  });
});
