import { expect } from 'vitest';
import { type CallerName, callerNames, kindOf } from './callers.ts';
import type { Condition } from './conditions.ts';
import { cell, grid } from './grid.ts';
import { outcomeOf, type Reply, type TableRequest } from './requests.ts';
import { nextName, type World } from './world.ts';

/** Where a new secret goes: to its owner alone, into an active or an ended session, or shared with another user. */
export const destinations = ['user', 'session', 'ended session', 'shared'] as const;
export type Destination = (typeof destinations)[number];

/**
 * The outcome for each caller who creates a secret of their own. The body names the session in which the callers of
 * expectations.ts are or were; a participant needs no X-Session-Id for it. Sharing takes secrets:share as well, which an
 * agent that may only write does not have.
 */
const table = grid(`
caller                                               | user                   | session                | ended session          | shared
owner                                                | ok                     | ok                     | 403 session_not_joined | ok
owner, inside                                        | ok                     | ok                     | 403 session_not_joined | ok
owner, inside another session                        | ok                     | ok                     | 403 session_not_joined | ok
owner, naming an unknown session                     | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
participant, inside                                  | ok                     | ok                     | 403 session_not_joined | ok
participant, naming no session                       | ok                     | ok                     | 403 session_not_joined | ok
participant, inside another session                  | ok                     | ok                     | 403 session_not_joined | ok
participant, inside, the owner has left              | ok                     | ok                     | 403 session_not_joined | ok
ex-participant                                       | ok                     | 403 session_not_joined | 403 session_not_joined | ok
ex-participant, naming the session                   | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
invited, naming no session                           | ok                     | ok                     | 403 session_not_joined | ok
invited, naming the session                          | ok                     | ok                     | 403 session_not_joined | ok
invited, waiting after a reset                       | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
removed and invited again, naming the session        | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
grantee                                              | ok                     | 403 session_not_joined | 403 session_not_joined | ok
grantee, inside another session                      | ok                     | 403 session_not_joined | 403 session_not_joined | ok
unshared again                                       | ok                     | 403 session_not_joined | 403 session_not_joined | ok
stranger                                             | ok                     | 403 session_not_joined | 403 session_not_joined | ok
stranger, naming the session                         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
admin                                                | ok                     | 403 session_not_joined | 403 session_not_joined | ok
auditor                                              | ok                     | 403 session_not_joined | 403 session_not_joined | ok
disabled user                                        | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
disabled user, naming the session                    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
disabled owner                                       | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
grantee of a disabled owner                          | ok                     | 403 session_not_joined | 403 session_not_joined | ok
participant, inside, the owner is disabled           | ok                     | ok                     | 403 session_not_joined | ok
owner’s agent, permitted                             | ok                     | ok                     | 403 session_not_joined | 403 permission_missing
owner’s agent, not permitted                         | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing
participant’s agent, inside, permitted               | ok                     | ok                     | 403 session_not_joined | 403 permission_missing
participant’s agent, inside, not permitted           | 403 permission_missing | 403 permission_missing | 403 session_not_joined | 403 permission_missing
grantee’s agent, permitted                           | ok                     | 403 session_not_joined | 403 session_not_joined | 403 permission_missing
grantee’s agent, not permitted                       | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing
stranger’s agent, permitted                          | ok                     | 403 session_not_joined | 403 session_not_joined | 403 permission_missing
owner’s token bound inside                           | 403 permission_missing | ok                     | 403 session_not_joined | 403 permission_missing
owner’s token bound inside, with own                 | ok                     | ok                     | 403 session_not_joined | ok
owner’s token bound inside, with own, naming another | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
owner’s token bound elsewhere                        | 403 permission_missing | 403 permission_missing | 403 session_not_joined | 403 permission_missing
owner’s token bound elsewhere, with own              | ok                     | ok                     | 403 session_not_joined | ok
participant’s token bound inside                     | 403 permission_missing | ok                     | 403 session_not_joined | 403 permission_missing
participant’s token bound elsewhere                  | 403 permission_missing | 403 permission_missing | 403 session_not_joined | 403 permission_missing
participant’s token bound elsewhere, with own        | ok                     | ok                     | 403 session_not_joined | ok
grantee’s token bound elsewhere                      | 403 permission_missing | 403 session_not_joined | 403 session_not_joined | 403 permission_missing
grantee’s token bound elsewhere, with own            | ok                     | 403 session_not_joined | 403 session_not_joined | ok
owner, waiting after a reset                         | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
participant, inside, waiting after a reset           | 403 waiting_period     | 403 waiting_period     | 403 session_not_joined | 403 waiting_period
grantee, waiting after a reset                       | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
owner’s revoked token                                | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
owner’s expired token                                | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
owner’s ended login                                  | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
no token                                             | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
no token, naming the session                         | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
not a token                                          | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
`);

const lines = new Map(table.map((line) => [cell(line, 'caller'), line]));

const expectedAt = (caller: CallerName, destination: Destination): string => {
  const line = lines.get(caller);
  if (!line) throw new Error(`the table of creations has no line for ${caller}`);
  return cell(line, destination);
};

interface Creation {
  readonly route: string;
  request(item: object): TableRequest;
  outcome(reply: Reply): string;
}

export const creations = {
  create: {
    route: 'POST /api/v1/secrets',
    request: (item) => ({ method: 'POST', path: '/api/v1/secrets', body: item }),
    outcome: (reply) => (reply.status === 201 && reply.body.value === undefined ? 'ok' : outcomeOf(reply)),
  },
  import: {
    route: 'POST /api/v1/secrets/import',
    request: (item) => ({
      method: 'POST',
      path: '/api/v1/secrets/import',
      body: { items: [item], on_conflict: 'fail' },
    }),
    outcome: (reply) => (reply.status === 201 && reply.body.created === 1 ? 'ok' : outcomeOf(reply)),
  },
} as const satisfies Record<string, Creation>;

export type CreationName = keyof typeof creations;
export const creationNames = Object.keys(creations) as CreationName[];

const sessionFor = ({ sessions }: World, caller: CallerName, destination: Destination): string =>
  sessions[kindOf(caller).secret ?? 'ordinary'][destination === 'ended session' ? 'ended' : 'active'].id;

const itemFor = (world: World, caller: CallerName, destination: Destination, name: string): object => {
  const value = `the value of ${name}`;
  if (destination === 'user') return { name, type: 'api_key', value };
  if (destination === 'shared')
    return { name, type: 'api_key', value, scope: 'shared', shared_with: [world.others.newcomer] };
  return { name, type: 'api_key', value, scope: 'session', session_id: sessionFor(world, caller, destination) };
};

const conditionOf = (destination: Destination): Condition => ({
  scope: destination === 'ended session' ? 'session' : destination,
  state: 'live',
  ended: destination === 'ended session',
});

const create = async (world: World, creation: CreationName, caller: CallerName, to: Destination, name: string) => {
  const { request, outcome } = creations[creation];
  const credentials = await world.credentials(caller, conditionOf(to), 'secrets:write');
  return outcome(await world.send(request(itemFor(world, caller, to, name)), credentials));
};

const secretsNamed = async ({ app }: World, names: readonly string[]): Promise<readonly string[]> => {
  const { rows } = await app.database.client.query('select name from secrets where name = any($1) order by name', [
    names,
  ]);
  return rows.map((row) => row.name);
};

/**
 * Tries one column: every caller creates a secret there. The secrets that were created exist, those that were refused do
 * not. Nobody may create one in an ended session, so there the same creation must succeed in the active one.
 */
export const checkDestination = async (world: World, creation: CreationName, to: Destination): Promise<number> => {
  const asked = callerNames.map((caller) => ({ caller, name: nextName(), expected: expectedAt(caller, to) }));
  const came = await Promise.all(
    asked.map(async ({ caller, name }) => [caller, await create(world, creation, caller, to, name)] as const),
  );
  expect(Object.fromEntries(came)).toEqual(Object.fromEntries(asked.map(({ caller, expected }) => [caller, expected])));
  const kept = asked.filter(({ expected }) => expected === 'ok').map(({ name }) => name);
  expect(
    await secretsNamed(
      world,
      asked.map(({ name }) => name),
    ),
  ).toEqual(kept.toSorted());
  if (kept.length === 0) expect(await create(world, creation, 'owner', 'session', nextName())).toBe('ok');
  return asked.length;
};
