import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { untilTold } from '../support/event-stream.ts';
import {
  expectStatus,
  joinSession,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
} from '../support/people.ts';

let app: TestApp;
let ada: Person;
let grace: Person;
let linus: Person;
let everybody: ReadonlyMap<string, string>;
beforeAll(async () => {
  app = await startApp();
  const admin = await logInAdmin(app);
  ({ ada, grace, linus } = await people(app, admin, 'ada', 'grace', 'linus'));
  everybody = new Map([ada, grace, linus, admin].map(({ id, username }) => [id, username]));
});
afterAll(() => app.close());
beforeEach(() => app.database.client.query('delete from events'));

/** What was told since the test began, in order: the kind, whom it concerns, and everybody who was told. */
const told = async (): Promise<(readonly [string, string | null, string])[]> => {
  const { rows } = await app.database.client.query(
    `select type, coalesce(details->>'user_id', details->>'to') as concerned, array_agg(user_id::text) as told
      from events where user_id is not null group by event_id, type, concerned order by min(id::text)`,
  );
  const nameOf = (id: string): string => everybody.get(id) ?? id;
  return rows.map(({ type, concerned, told: ids }) => [
    type,
    concerned === null ? null : nameOf(concerned),
    ids.map(nameOf).sort().join(' '),
  ]);
};

const remove = async (by: Person, session: { id: string }, who: Person): Promise<void> => {
  expectStatus(await by.call('DELETE', `/sessions/${session.id}/participants/${who.id}`), 204);
};
const invite = async (session: { id: string }, who: Person): Promise<void> => {
  const body = { user_id: who.id };
  expectStatus(await ada.call('POST', `/sessions/${session.id}/participants`, { body }), 201);
};

it('whoever is invited is told, once until they answer, and those who are present that they joined', async () => {
  const { body: session } = await ada.call('POST', '/sessions', { body: { participants: [grace.id, linus.id] } });
  for (const who of [grace, linus, grace]) await invite(session, who);
  await joinSession(grace, session.id);
  await joinSession(grace, session.id);
  await remove(linus, session, linus);
  await invite(session, linus);
  expect(await told()).toEqual([
    ['session.started', null, 'ada'],
    ['invitation.received', 'grace', 'grace'],
    ['invitation.received', 'linus', 'linus'],
    ['session.joined', null, 'ada grace'],
    ['invitation.declined', 'linus', 'ada'],
  ]);
});

it('those who are present are told who left and who was removed, and so is whoever was removed', async () => {
  const session = await startSession(ada, [grace, linus]);
  await app.database.client.query('delete from events');
  await remove(linus, session, linus);
  await remove(ada, session, grace);
  await invite(session, grace);
  await remove(ada, session, grace);
  expect(await told()).toEqual([
    ['session.left', 'linus', 'ada grace'],
    ['session.removed', 'grace', 'ada grace'],
    ['invitation.received', 'grace', 'grace'],
    ['invitation.withdrawn', 'grace', 'grace'],
  ]);
});

it('a new title, the hand-over and the end of a session are told to those who are present', async () => {
  const session = await startSession(ada, [grace]);
  await invite(session, linus);
  const secret = await keepSecret(ada, { scope: 'session', session_id: session.id });
  await app.database.client.query('delete from events');
  for (const _ of [1, 2])
    expectStatus(await ada.call('PATCH', `/sessions/${session.id}`, { body: { title: 'Another' } }), 200);
  await remove(ada, session, ada);
  expectStatus(await grace.call('POST', `/sessions/${session.id}/end`), 200);
  // Ada has a secret in it, which she can still take out.
  expect(await told()).toEqual([
    ['session.updated', null, 'ada grace'],
    ['session.handed_over', 'grace', 'ada grace'],
    ['session.ended', null, 'ada grace'],
  ]);
  expectStatus(await ada.call('DELETE', `/secrets/${secret.id}`), 204);
});

it('a token that is made or revoked is told to its user, once', async () => {
  const body = { name: 't', permissions: ['secrets:list'], expires_in: 600 };
  const { id } = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body;
  for (const _ of [1, 2]) expectStatus(await ada.call('DELETE', `/auth/tokens/${id}`), 204);
  expect(await told()).toEqual([
    ['token.created', null, 'ada'],
    ['token.revoked', null, 'ada'],
  ]);
});

it('both are told of a hand-over that is offered and called off', async () => {
  const secret = await keepSecret(ada);
  await app.database.client.query('delete from events');
  const path = `/secrets/${secret.id}/handover`;
  const offer = expectStatus(await ada.call('POST', path, { body: { to: grace.id } }), 201).body;
  expectStatus(await grace.call('POST', `/handovers/${offer.id}/cancel`), 200);
  expect(await told()).toEqual([
    ['handover.offered', 'grace', 'ada grace'],
    ['handover.cancelled', 'grace', 'ada grace'],
  ]);
});

it('somebody who left is shown no change of the session from before any more, but that it ended', async () => {
  const session = await startSession(ada, [grace]);
  await keepSecret(grace, { scope: 'session', session_id: session.id });
  await app.database.client.query('delete from events');
  expectStatus(await ada.call('PATCH', `/sessions/${session.id}`, { body: { title: 'Another' } }), 200);
  const shown = async (): Promise<string[]> => {
    await untilTold(app);
    const { notices } = expectStatus(await grace.call('GET', '/notices'), 200).body;
    return notices.map(({ type }: { type: string }) => type);
  };
  expect(await shown()).toEqual(['session.updated']);
  await remove(grace, session, grace);
  expectStatus(await ada.call('POST', `/sessions/${session.id}/end`), 200);
  expect(await shown()).toEqual(['session.ended']);
});
