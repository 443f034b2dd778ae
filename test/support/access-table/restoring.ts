import { expect } from 'vitest';
import { expectStatus, joinSession, logIn, type Person } from '../people.ts';
import type { CallerName } from './callers.ts';
import type { Condition } from './conditions.ts';
import type { Target } from './operations.ts';
import { outcomeOf } from './requests.ts';
import type { World } from './world.ts';

const inSession: Condition = { scope: 'session', state: 'live', ended: false };
const shared: Condition = { scope: 'shared', state: 'live', ended: false };

const targetAt = async (world: World, caller: CallerName, condition: Condition): Promise<Target> => {
  const target = world.specialSecret(caller, condition) ?? (await world.newSecrets(condition, 1))[0];
  if (!target) throw new Error('no secret to reveal');
  return target;
};

/**
 * The caller is refused; once one thing is restored, the same request reveals the same secret. Where `restore` resolves to a
 * new access token, the old one must stay refused.
 */
const refusedUntilRestored = async (
  world: World,
  caller: CallerName,
  condition: Condition,
  refusal: string,
  restore: (target: Target) => Promise<unknown>,
): Promise<void> => {
  const target = await targetAt(world, caller, condition);
  const credentials = await world.credentials(caller, condition, 'secrets:reveal');
  const reveal = async (token = credentials.token) =>
    await world.send({ method: 'GET', path: `/api/v1/secrets/${target.id}/value` }, { ...credentials, token });
  expect(outcomeOf(await reveal())).toBe(refusal);
  const restored = await restore(target);
  const newToken = typeof restored === 'string' ? restored : null;
  if (newToken !== null) expect(outcomeOf(await reveal())).toBe(refusal);
  expect((await reveal(newToken ?? credentials.token)).body).toMatchObject({ id: target.id, value: target.value });
};

const enable = async ({ users }: World, who: Person): Promise<void> => {
  expectStatus(await users.admin.call('PATCH', `/users/${who.id}`, { body: { status: 'active' } }), 200);
};

/** For each caller who lost something: it is the only reason for the refusal. Titles of tests, each with its check. */
export const restorations: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'a participant of a session reveals a secret again once its owner is back in the session': (world) =>
    refusedUntilRestored(world, 'participant, inside, the owner has left', inSession, '404 not_found', () =>
      joinSession(world.users.owner, world.sessions['its owner has left'].active.id),
    ),
  'a participant who had left a session reveals its secrets again once they joined it': (world) =>
    refusedUntilRestored(world, 'ex-participant, naming the session', inSession, '403 session_not_joined', () =>
      joinSession(world.users['ex-participant'], world.sessions.ordinary.active.id),
    ),
  'a participant who was removed and invited again reveals secrets once they joined': (world) =>
    refusedUntilRestored(
      world,
      'removed and invited again, naming the session',
      inSession,
      '403 session_not_joined',
      () => joinSession(world.users['invited again'], world.sessions.ordinary.active.id),
    ),
  'a grantee whose share was taken back reveals the secret once it is shared again': (world) =>
    refusedUntilRestored(world, 'unshared again', shared, '404 not_found', async ({ id }) => {
      const body = { user_id: world.users['ex-grantee'].id };
      expectStatus(await world.users.owner.call('POST', `/secrets/${id}/share`, { body }), 200);
    }),
  'a disabled grantee reveals a shared secret again once enabled and logged in again': (world) =>
    refusedUntilRestored(world, 'disabled user', shared, '401 unauthenticated', async () => {
      await enable(world, world.users.disabled);
      return (await logIn(world.app, world.users.disabled.username)).token;
    }),
  'a participant reveals the secret of a disabled owner again once the owner is enabled': (world) =>
    refusedUntilRestored(world, 'participant, inside, the owner is disabled', inSession, '404 not_found', () =>
      enable(world, world.users['disabled owner']),
    ),
  'a grantee reveals the secret of a disabled owner again once the owner is enabled': async (world) => {
    const who = world.users['disabled owner'];
    expectStatus(await world.users.admin.call('PATCH', `/users/${who.id}`, { body: { status: 'disabled' } }), 200);
    await refusedUntilRestored(world, 'grantee of a disabled owner', shared, '404 not_found', () => enable(world, who));
  },
};
