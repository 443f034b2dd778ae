import { expect } from 'vitest';
import { expectStatus, type Person } from '../people.ts';
import { outcomeOf } from './asking.ts';
import type { CallerName } from './callers.ts';
import type { Target } from './operations.ts';
import type { Place } from './places.ts';
import type { World } from './world.ts';

const inSession: Place = { scope: 'session', state: 'live', ended: false };
const shared: Place = { scope: 'shared', state: 'live', ended: false };

const targetAt = async (world: World, caller: CallerName, place: Place): Promise<Target> => {
  const [fresh] = world.prepared(caller, place) ? [world.prepared(caller, place)] : await world.fresh(place, 1);
  if (!fresh) throw new Error('no secret to ask about');
  return fresh;
};

/** Refused; then one thing is given back, and the same request about the same secret reveals it. */
const onlyThat = async (
  world: World,
  caller: CallerName,
  place: Place,
  refusal: string,
  giveBack: (target: Target) => Promise<unknown>,
): Promise<void> => {
  const target = await targetAt(world, caller, place);
  const reveal = async () =>
    await world.ask(
      { method: 'GET', path: `/api/v1/secrets/${target.id}/value` },
      await world.credentials(caller, place, 'secrets:reveal'),
    );
  expect(outcomeOf(await reveal())).toBe(refusal);
  await giveBack(target);
  expect((await reveal()).body).toMatchObject({ id: target.id, value: target.value });
};

const bringBack = async ({ cast }: World, session: string, who: Person): Promise<void> => {
  const body = { user_id: who.id };
  expectStatus(await cast.host.call('POST', `/sessions/${session}/participants`, { body }), 201);
};

const enable = async ({ cast }: World, who: Person): Promise<void> => {
  expectStatus(await cast.admin.call('PATCH', `/users/${who.id}`, { body: { status: 'active' } }), 200);
};

/** For each caller who lost something: with it they would be allowed, so that nothing else stood in their way. */
export const liftings: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'the owner has left the session': (world) =>
    onlyThat(world, 'participant, inside, the owner has left', inSession, '404 not_found', () =>
      bringBack(world, world.chats['its owner has left'].active.id, world.cast.owner),
    ),
  'the participant has left it': (world) =>
    onlyThat(world, 'ex-participant, naming the session', inSession, '403 session_not_joined', () =>
      bringBack(world, world.chats.ordinary.active.id, world.cast['ex-participant']),
    ),
  'it was unshared again': (world) =>
    onlyThat(world, 'unshared again', shared, '404 not_found', async ({ id }) => {
      const body = { user_id: world.cast['ex-grantee'].id };
      expectStatus(await world.cast.owner.call('POST', `/secrets/${id}/share`, { body }), 200);
    }),
  'the asker is disabled': (world) =>
    onlyThat(world, 'disabled user', shared, '401 unauthenticated', () => enable(world, world.cast.disabled)),
  'the owner is disabled, to a participant': (world) =>
    onlyThat(world, 'participant, inside, the owner is disabled', inSession, '404 not_found', () =>
      enable(world, world.cast['disabled owner']),
    ),
  'the owner is disabled, to a grantee': async (world) => {
    const who = world.cast['disabled owner'];
    expectStatus(await world.cast.admin.call('PATCH', `/users/${who.id}`, { body: { status: 'disabled' } }), 200);
    await onlyThat(world, 'grantee of a disabled owner', shared, '404 not_found', () => enable(world, who));
  },
};
