import { expect } from 'vitest';
import { outcomeOf } from './asking.ts';
import { type CallerName, kindOf } from './callers.ts';
import { expected, standingOf } from './expectations.ts';
import type { Target } from './operations.ts';
import { nameOf, type Place, places } from './places.ts';
import type { World } from './world.ts';

/** One secret at each place, beside those that were prepared for some callers. */
export type Shelf = ReadonlyMap<string, Target>;

export const fillShelf = async (world: World): Promise<Shelf> => {
  const shelf = new Map<string, Target>();
  for (const place of places) {
    const [target] = await world.fresh(place, 1);
    if (target) shelf.set(nameOf(place), target);
  }
  return shelf;
};

/** The place whose session the request names, where it names one. */
const activePlace: Place = { scope: 'session', state: 'live', ended: false };

const pagesOf = async (world: World, caller: CallerName, query: string) => {
  const credentials = await world.credentials(caller, activePlace, 'secrets:list');
  const ids: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const reply = await world.ask({ method: 'GET', path: `/api/v1/secrets?limit=200${query}${after}` }, credentials);
    if (reply.status !== 200) return { refused: outcomeOf(reply), ids };
    ids.push(...reply.body.secrets.map((secret: any) => secret.id));
    cursor = reply.body.next_cursor;
  }
  return { refused: null, ids };
};

/** The places at which the table says that the caller sees its secret in a list. */
const seenBy = (caller: CallerName): readonly Place[] =>
  places.filter((place) => {
    // Who names the session of the place names the active one here: of the ended one they have what its standing says.
    if (place.ended && kindOf(caller).names === 'inside') return standingOf(caller, activePlace) === 'owner inside';
    if (place.ended && kindOf(caller).by?.startsWith('bound inside'))
      return standingOf(caller, activePlace) === 'owner inside';
    return expected('list', caller, place) === 'ok';
  });

/** A whole list holds exactly what the table says; the counts of /stats are those of the list. */
export const checkListing = async (world: World, shelf: Shelf, caller: CallerName): Promise<void> => {
  const [current, deleted] = [await pagesOf(world, caller, ''), await pagesOf(world, caller, '&state=deleted')];
  const credentials = await world.credentials(caller, activePlace, 'secrets:list');
  const stats = await world.ask({ method: 'GET', path: '/api/v1/secrets/stats' }, credentials);
  const types = await world.ask({ method: 'GET', path: '/api/v1/secrets/types' }, credentials);
  const refusals = {
    'no credential': '401 unauthenticated',
    'not joined': '403 session_not_joined',
    'no permission': '403 permission_missing',
  } as const satisfies Record<string, string>;
  const refusal = (refusals as Record<string, string>)[standingOf(caller, activePlace)];
  expect([current.refused ?? '200', outcomeOf(stats), outcomeOf(types)]).toEqual(Array(3).fill(refusal ?? '200'));
  if (refusal !== undefined) return;

  const listed = new Set([...current.ids, ...deleted.ids]);
  // Where a secret was prepared for the caller it stands for the ordinary one of the place.
  const ordinary = places.filter((place) => world.prepared(caller, place) === null).map(nameOf);
  const found = [...shelf].filter(([, { id }]) => listed.has(id)).map(([where]) => where);
  expect(found.filter((where) => ordinary.includes(where))).toEqual(seenBy(caller).map(nameOf));
  const prepared = places.flatMap((place) => world.prepared(caller, place) ?? []);
  expect(prepared.filter(({ id }) => listed.has(id))).toEqual([]);
  expect(stats.body.total).toBe(current.ids.length);
  expect(stats.body.own + stats.body.from_others).toBe(current.ids.length);
};
