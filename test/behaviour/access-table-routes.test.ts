import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ask, asker, bytesOf, outcomeOf } from '../support/access-table/asking.ts';
import { differences } from '../support/access-table/completeness.ts';
import {
  expectedOf,
  kinds,
  otherOperations,
  prepare,
  type Stage,
  setStage,
} from '../support/access-table/other-routes.ts';
import { expectedFor, type SessionCaller, sessionCallers, sessionRows } from '../support/access-table/session-table.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, logInAdmin, type Person, people, startSession } from '../support/people.ts';

let app: TestApp;
let root: Person;
let ask: Ask;
beforeAll(async () => {
  app = await startApp();
  root = await logInAdmin(app);
  ask = asker(app.url);
});
afterAll(() => app.close());

const succeeds = (outcome: string): boolean => /^2\d\d$/.test(outcome);

describe('the tables and the OpenAPI file', () => {
  const document = async () => (await ask({ method: 'GET', path: '/api/openapi.json' }, {})).body;

  it('speak of the same routes', async () => {
    expect(differences(await document())).toEqual({ missing: [], stale: [] });
  });

  it('differ as soon as a route is added, or is there no more', async () => {
    const { paths } = await document();
    const invented = { ...paths, '/api/v1/secrets/{id}/print': { post: {} } };
    expect(differences({ paths: invented })).toEqual({ missing: ['POST /api/v1/secrets/{id}/print'], stale: [] });
    const { '/api/v1/secrets/{id}/access': _gone, ...fewer } = paths;
    expect(differences({ paths: fewer })).toEqual({ missing: [], stale: ['GET /api/v1/secrets/{id}/access'] });
  });
});

describe('who may use the routes that are about no secret', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(app, root);
  });

  it.each(otherOperations)('%s', async (operation) => {
    const came: Record<string, string> = {};
    for (const kind of kinds) {
      const { question, credentials } = await prepare(stage, operation, kind);
      came[kind] = outcomeOf(await ask(question, credentials));
    }
    expect(came).toEqual(Object.fromEntries(kinds.map((kind) => [kind, expectedOf(operation, kind)])));
    expect(Object.values(came).some(succeeds), 'every refusal has a twin that is allowed').toBe(true);
  });
});

describe('who may do what with a session', () => {
  let cast: Record<'owner' | 'participant' | 'leaver' | 'stranger' | 'newcomer', Person>;
  let elsewhere: string;
  beforeAll(async () => {
    cast = await people(app, root, 'owner', 'participant', 'leaver', 'stranger', 'newcomer');
    elsewhere = (await startSession(cast.owner, [cast.participant])).id;
  });

  const question = (operation: string, id: string) => {
    const path = `/api/v1/sessions/${id}`;
    const user_id = cast.newcomer.id;
    const asked: Record<string, { method: string; path: string; body?: unknown }> = {
      get: { method: 'GET', path },
      cleanup: { method: 'GET', path: `${path}/cleanup` },
      patch: { method: 'PATCH', path, body: { title: 'A title' } },
      'add participant': { method: 'POST', path: `${path}/participants`, body: { user_id } },
      'remove participant': { method: 'DELETE', path: `${path}/participants/${user_id}` },
      end: { method: 'POST', path: `${path}/end` },
    };
    const found = asked[operation];
    if (!found) throw new Error(`nobody knows how to ${operation} a session`);
    return found;
  };

  const boundTo = async (session: string): Promise<string> => {
    const permissions = ['sessions:read', 'sessions:write', 'secrets:list'];
    const body = { name: 'bound', permissions, session_id: session, expires_in: 3600 };
    return expectStatus(await cast.participant.call('POST', '/auth/tokens', { body }), 201).body.token;
  };

  /** A new session whose participant has left, and the credentials of everybody towards it. */
  const openSession = async (state: string) => {
    const { id } = await startSession(cast.owner, [cast.participant, cast.leaver]);
    const tokens: Record<SessionCaller, string> = {
      owner: cast.owner.token,
      participant: cast.participant.token,
      'ex-participant': cast.leaver.token,
      stranger: cast.stranger.token,
      admin: root.token,
      'bound to it': await boundTo(id),
      'bound elsewhere': await boundTo(elsewhere),
    };
    const leave = `/sessions/${id}/participants/${cast.leaver.id}`;
    expectStatus(await cast.leaver.call('DELETE', leave), 204);
    if (state === 'ended') expectStatus(await cast.owner.call('POST', `/sessions/${id}/end`), 200);
    return { id, tokens };
  };

  it.each(sessionRows)('$operation, $state', async ({ operation, state }) => {
    const { id, tokens } = await openSession(state);
    const came: Record<string, string> = {};
    // The owner asks last: what was refused to everybody else then still succeeds on the same session.
    for (const caller of sessionCallers.toReversed()) {
      const token = tokens[caller];
      const reply = await ask(question(operation, id), { token });
      came[caller] = outcomeOf(reply);
      if (came[caller] !== '403 session_not_joined') continue;
      const never = randomUUID();
      const nothing = await ask(question(operation, never), { token });
      expect(bytesOf(reply, [id]), `${caller} is told of a session that is there`).toBe(bytesOf(nothing, [never]));
    }
    expect(came).toEqual(
      Object.fromEntries(sessionCallers.map((caller) => [caller, expectedFor(operation, state, caller)])),
    );
    if (succeeds(came['owner'] ?? '')) return;
    const twin = await openSession('active');
    expect(outcomeOf(await ask(question(operation, twin.id), { token: cast.owner.token }))).toMatch(/^2/);
  });
});

describe('a disabled user, to others than administrators', () => {
  let member: Person;
  let gone: Person;
  beforeAll(async () => {
    ({ member, gone } = await people(app, root, 'member', 'gone'));
    expectStatus(await root.call('PATCH', `/users/${gone.id}`, { body: { status: 'disabled' } }), 200);
  });

  const asked = [
    { what: 'GET', path: (id: string) => `/users/${id}`, body: undefined },
    { what: 'PATCH status', path: (id: string) => `/users/${id}`, body: { status: 'active' } },
    { what: 'PATCH name', path: (id: string) => `/users/${id}`, body: { display_name: 'Somebody' } },
    { what: 'DELETE', path: (id: string) => `/users/${id}`, body: undefined },
    { what: 'POST password', path: (id: string) => `/users/${id}/password`, body: { new_password: 'a new password' } },
    { what: 'POST cancel', path: (id: string) => `/users/${id}/password/cancel`, body: undefined },
  ];

  it.each(asked)('is one who never was: $what', async ({ what, path, body }) => {
    const never = randomUUID();
    const question = (id: string) => ({ method: what.split(' ')[0] ?? '', path: `/api/v1${path(id)}`, body });
    const [there, not] = [
      await ask(question(gone.id), { token: member.token }),
      await ask(question(never), { token: member.token }),
    ];
    expect(there.status).toBeGreaterThanOrEqual(403);
    expect(bytesOf(there, [gone.id])).toBe(bytesOf(not, [never]));
  });

  it('and is one to administrators, and to everybody once enabled', async () => {
    expect((await root.call('GET', `/users/${gone.id}`)).body).toMatchObject({ id: gone.id, status: 'disabled' });
    expectStatus(await root.call('PATCH', `/users/${gone.id}`, { body: { status: 'active' } }), 200);
    expect((await member.call('GET', `/users/${gone.id}`)).body).toMatchObject({ id: gone.id, username: 'gone' });
  });
});

describe('another’s logins and tokens', () => {
  it('are ones that never were, and one’s own can be ended', async () => {
    const { ada, grace } = await people(app, root, 'ada', 'grace');
    const body = { name: 'a token', permissions: ['graph:read'], expires_in: 60 };
    const token = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body.id;
    const login = expectStatus(await ada.call('GET', '/auth/logins'), 200).body.logins[0].id;
    for (const [kind, id] of [
      ['tokens', token],
      ['logins', login],
    ]) {
      const remove = (one: string) => ({ method: 'DELETE', path: `/api/v1/auth/${kind}/${one}` });
      const never = randomUUID();
      const reply = await ask(remove(id), { token: grace.token });
      expect(outcomeOf(reply)).toBe('404 not_found');
      expect(bytesOf(reply, [id])).toBe(bytesOf(await ask(remove(never), { token: grace.token }), [never]));
      expect(outcomeOf(await ask(remove(id), { token: ada.token }))).toBe('204');
    }
  });
});
