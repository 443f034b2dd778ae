import { expect } from 'vitest';
import { some } from '../counts.ts';
import { expectStatus } from '../people.ts';
import { bytesOf, type Reply } from './asking.ts';
import { type CallerName, callerNames, kindOf } from './callers.ts';
import { expected, looksLikeNothing } from './expectations.ts';
import { type Operation, type OperationName, operationOf, type Target } from './operations.ts';
import { endedPlace, nameOf, type Place } from './places.ts';
import { neverWas, type World } from './world.ts';

type Outcomes = Record<string, string>;

/** The twin of a row: on the secret that was refused, brought into force, the operation succeeds. */
const lift = async ({ cast, around }: World, operation: Operation, place: Place, { id }: Target): Promise<void> => {
  const owner = async (method: string, rest: string, body?: unknown): Promise<void> => {
    expectStatus(await cast.owner.call(method, `/secrets/${id}${rest}`, body === undefined ? {} : { body }), 200);
  };
  if (place.state === 'deleted') await owner('POST', '/recover');
  if (place.state === 'inactive') await owner('POST', '/activate');
  if (place.state === 'expired') await owner('PATCH', '', { expires_at: null });
  if (place.state === 'use only') await owner('PATCH', '', { exposure: 'reveal' });
  if (operation.outOfSession && place.scope === 'session') await owner('POST', '/transfer', { scope: 'user' });
  if (operation.twin === 'grantee') await owner('POST', '/share', { user_id: around.grantee });
};

const ask = async (
  world: World,
  operation: Operation,
  caller: CallerName,
  place: Place,
  target: Target,
): Promise<Reply> =>
  await world.ask(operation.question(target, world.around), await world.credentials(caller, place, operation.needs));

const outcomeFor = async (
  world: World,
  operation: Operation,
  caller: CallerName,
  place: Place,
  target: Target,
): Promise<string> => operation.outcome(await ask(world, operation, caller, place, target), target, world.around);

/** The bytes, without what the request itself named. */
const plainBytes = (reply: Reply, { id, name }: Target): string => bytesOf(reply, [id, name]);

const header = (reply: Reply, name: string): string | undefined => {
  const at = reply.rawHeaders.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
  return at === -1 ? undefined : reply.rawHeaders[at + 1];
};

/** What every refusal keeps to: no value, nothing that a cache may keep, no tag of a secret. */
const flawOf = (reply: Reply, target: Target): string => {
  if (reply.text.includes(target.value)) return ' and the value';
  if (header(reply, 'etag') !== undefined) return ' and an ETag';
  if (reply.status >= 400 && header(reply, 'cache-control') !== 'no-store') return ' and a cache may keep it';
  if (reply.status >= 400 && !header(reply, 'content-type')?.startsWith('application/problem+json'))
    return ' and no problem';
  return (reply.status === 401) === (header(reply, 'www-authenticate') === 'Bearer') ? '' : ' and a wrong challenge';
};

const asked = new WeakMap<World, Map<string, Promise<string>>>();

/** What the caller is told of a secret that never was: asked once for each operation, and for each session it names. */
const bytesOfNothing = (
  world: World,
  name: OperationName,
  caller: CallerName,
  place: Place,
  like: Target,
): Promise<string> => {
  const known = asked.get(world) ?? new Map<string, Promise<string>>();
  asked.set(world, known);
  const key = `${name} ${caller} ${place.ended}`;
  const never = neverWas(like);
  const bytes =
    known.get(key) ?? ask(world, operationOf(name), caller, place, never).then((reply) => plainBytes(reply, never));
  known.set(key, bytes);
  return bytes;
};

/** One refused cell. Where the table says that the caller has nothing, a secret that never was gets the same bytes. */
const refusedCell = async (
  world: World,
  name: OperationName,
  caller: CallerName,
  place: Place,
  target: Target,
): Promise<string> => {
  const operation = operationOf(name);
  const reply = await ask(world, operation, caller, place, target);
  const outcome = operation.outcome(reply, target, world.around) + flawOf(reply, target);
  if (!looksLikeNothing(name, caller, place)) return outcome;
  const [seen, unseen] = [plainBytes(reply, target), await bytesOfNothing(world, name, caller, place, target)];
  return seen === unseen ? outcome : `${outcome}, told apart from one that never was: ${difference(seen, unseen)}`;
};

const difference = (seen: string, unseen: string): string => {
  const others = unseen.split('\n');
  return seen
    .split('\n')
    .flatMap((line, at) => (line === others[at] ? [] : [`${line} <> ${others[at]}`]))
    .join('; ');
};

let rows = 0;

interface Row {
  readonly name: OperationName;
  readonly place: Place;
  readonly allowed: readonly CallerName[];
  readonly refused: readonly CallerName[];
}

const rowOf = (name: OperationName, place: Place): Row => {
  const isAllowed = (caller: CallerName): boolean => expected(name, caller, place) === 'ok';
  return {
    name,
    place,
    allowed: callerNames.filter(isAllowed),
    refused: callerNames.filter((caller) => !isAllowed(caller)),
  };
};

/** How many secrets the row asks about. */
const secretsOf = ({ name, allowed }: Row): number => (operationOf(name).changes ? Math.max(1, allowed.length) : 1);

/** How many secrets of the ended session these operations take. */
export const poolFor = (names: readonly OperationName[]): number =>
  names.reduce((sum, name) => sum + secretsOf(rowOf(name, endedPlace)), 0);

const fromEntries = (entries: readonly (readonly [string, string])[]): Outcomes => Object.fromEntries(entries);

/**
 * One row of the table: an operation at a place, asked by everybody. Who is refused asks first, all about one secret, which
 * must then be exactly what it was; who is allowed follows, the first of them with that very secret. Where the table allows
 * nobody, the secret is brought into force and its owner succeeds: so every refusal has its allowed twin, or the row fails.
 * Outside of the soak every other of those who are refused asks, the others of them in the next row. Resolves to the number
 * of cells asked.
 */
export const checkRow = async (world: World, name: OperationName, place: Place): Promise<number> => {
  const operation = operationOf(name);
  const { refused: all, ...others } = rowOf(name, place);
  rows += 1;
  const row: Row = { ...others, refused: some(all, rows, 2) };
  const fresh = await world.fresh(place, secretsOf(row), operation);
  const first = fresh[0] as Target;
  const targetOf = (caller: CallerName): Target => world.prepared(caller, place) ?? first;
  const ids = [...new Set(row.refused.map((caller) => targetOf(caller).id))];

  const before = await world.held(ids);
  const refused = await Promise.all(
    row.refused.map(
      async (caller) => [caller, await refusedCell(world, name, caller, place, targetOf(caller))] as const,
    ),
  );
  expect(fromEntries(refused), `${name}, ${nameOf(place)}`).toEqual(
    fromEntries(row.refused.map((caller) => [caller, expected(name, caller, place)])),
  );
  expect(await world.held(ids), `${name}, ${nameOf(place)}: what was refused changed nothing`).toBe(before);

  const allowed = await Promise.all(
    row.allowed.map(async (caller, at) => {
      if (kindOf(caller).secret && world.prepared(caller, place))
        throw new Error(`${caller} has nothing to be allowed`);
      return [caller, await outcomeFor(world, operation, caller, place, fresh[at] ?? first)] as const;
    }),
  );
  expect(fromEntries(allowed), `${name}, ${nameOf(place)}`).toEqual(
    fromEntries(row.allowed.map((caller) => [caller, 'ok'])),
  );
  if (allowed.length === 0) {
    await lift(world, operation, place, first);
    const twin = await outcomeFor(world, operation, operation.twin ?? 'owner', place, first);
    expect(twin, `${name}, ${nameOf(place)}: nobody is allowed, and the twin isn't either`).toBe('ok');
  }
  return refused.length + allowed.length;
};
