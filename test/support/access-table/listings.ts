import { expect } from 'vitest';
import { type CallerName, kindOf } from './callers.ts';
import { type Condition, conditions, describeCondition } from './conditions.ts';
import { expected, relationOf } from './expectations.ts';
import type { Target } from './operations.ts';
import { outcomeOf } from './requests.ts';
import type { World } from './world.ts';

/** One secret in each condition, besides the special secrets of some callers. */
export type SecretsByCondition = ReadonlyMap<string, Target>;

export const createOneOfEach = async (world: World): Promise<SecretsByCondition> => {
  const secretsByCondition = new Map<string, Target>();
  for (const condition of conditions) {
    const [target] = await world.newSecrets(condition, 1);
    if (target) secretsByCondition.set(describeCondition(condition), target);
  }
  return secretsByCondition;
};

/** A caller who names a session names this one. */
const activeSession: Condition = { scope: 'session', state: 'live', ended: false };

const pagesOf = async (world: World, caller: CallerName, query: string) => {
  const credentials = await world.credentials(caller, activeSession, 'secrets:list');
  const ids: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const reply = await world.send({ method: 'GET', path: `/api/v1/secrets?limit=200${query}${after}` }, credentials);
    if (reply.status !== 200) return { refused: outcomeOf(reply), ids };
    ids.push(...reply.body.secrets.map((secret: any) => secret.id));
    cursor = reply.body.next_cursor;
  }
  return { refused: null, ids };
};

/** The conditions in which the tables let the caller list the secret. */
const seenBy = (caller: CallerName): readonly Condition[] =>
  conditions.filter((condition) => {
    // The request names the active session, so the secret of the ended one is listed only for its owner.
    if (condition.ended && kindOf(caller).names === 'inside')
      return relationOf(caller, activeSession) === 'owner inside';
    if (condition.ended && kindOf(caller).by?.startsWith('bound inside'))
      return relationOf(caller, activeSession) === 'owner inside';
    return expected('list', caller, condition) === 'ok';
  });

/** The caller's whole list holds exactly what the tables say, and the counts of /stats agree with it. */
export const checkListing = async (
  world: World,
  secretsByCondition: SecretsByCondition,
  caller: CallerName,
): Promise<void> => {
  const [current, deleted] = [await pagesOf(world, caller, ''), await pagesOf(world, caller, '&state=deleted')];
  const credentials = await world.credentials(caller, activeSession, 'secrets:list');
  const stats = await world.send({ method: 'GET', path: '/api/v1/secrets/stats' }, credentials);
  const types = await world.send({ method: 'GET', path: '/api/v1/secrets/types' }, credentials);
  const refusals = {
    'no credential': '401 unauthenticated',
    'not joined': '403 session_not_joined',
    'no permission': '403 permission_missing',
  } as const satisfies Record<string, string>;
  const refusal = (refusals as Record<string, string>)[relationOf(caller, activeSession)];
  expect([current.refused ?? '200', outcomeOf(stats), outcomeOf(types)]).toEqual(Array(3).fill(refusal ?? '200'));
  if (refusal !== undefined) return;

  const listed = new Set([...current.ids, ...deleted.ids]);
  // In conditions where the caller has a special secret, the ordinary one says nothing.
  const ordinary = conditions
    .filter((condition) => world.specialSecret(caller, condition) === null)
    .map(describeCondition);
  const found = [...secretsByCondition].filter(([, { id }]) => listed.has(id)).map(([where]) => where);
  expect(found.filter((where) => ordinary.includes(where))).toEqual(seenBy(caller).map(describeCondition));
  const special = conditions.flatMap((condition) => world.specialSecret(caller, condition) ?? []);
  expect(special.filter(({ id }) => listed.has(id))).toEqual([]);
  expect(stats.body.total).toBe(current.ids.length);
  expect(stats.body.own + stats.body.from_others).toBe(current.ids.length);
};
