import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differences } from '../support/access-table/completeness.ts';
import {
  callerKinds,
  createFixture,
  expectedOf,
  type Fixture,
  lineOf,
  otherOperations,
  prepare,
} from '../support/access-table/other-routes.ts';
import { bytesOf, createSender, outcomeOf, type Send } from '../support/access-table/requests.ts';
import {
  expectedFor,
  type SessionCaller,
  sessionCallers,
  sessionLineOf,
  sessionRows,
} from '../support/access-table/session-table.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { some } from '../support/counts.ts';
import { expectStatus, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { newRootKeyFile, type RootKeyFile } from '../support/root-key-file.ts';

let app: TestApp;
let keyFile: RootKeyFile;
let root: Person;
let send: Send;
beforeAll(async () => {
  keyFile = newRootKeyFile();
  app = await startApp({ rootKeys: keyFile.source });
  root = await logInAdmin(app);
  send = createSender(app.url);
});
afterAll(async () => {
  await app.close();
  keyFile.remove();
});

const succeeds = (outcome: string): boolean => /^2\d\d$/.test(outcome);

/**
 * The cells of one row that are tried: all in the soak; otherwise a third of those that are allowed and a third of those
 * that are refused, and at least one of each where the row has it.
 */
const cellsOf = <Column extends string>(
  row: string,
  columns: readonly Column[],
  expectedIn: (column: Column) => string,
): readonly Column[] => {
  const isAllowed = (column: Column): boolean => succeeds(expectedIn(column));
  const nameOf = (column: Column): string => `${row}, ${column}`;
  const chosen = [
    ...some(columns.filter(isAllowed), 0, 3, nameOf),
    ...some(
      columns.filter((column) => !isAllowed(column)),
      0,
      3,
      nameOf,
    ),
  ];
  return columns.filter((column) => chosen.includes(column));
};

const kindsFor = (operation: string) => cellsOf(operation, callerKinds, (kind) => expectedOf(operation, kind));

/** The owner is always among them, since a request that was refused to all others must succeed for the owner. */
const sessionCallersFor = (operation: string, state: string): readonly SessionCaller[] => {
  const chosen = cellsOf(sessionLineOf(operation, state), sessionCallers, (caller) =>
    expectedFor(operation, state, caller),
  );
  return sessionCallers.filter((caller) => caller === 'owner' || chosen.includes(caller));
};

describe('the tables of access', () => {
  const document = async () => (await send({ method: 'GET', path: '/api/openapi.json' }, {})).body;

  it('the tables of access have exactly the routes of the OpenAPI document', async () => {
    expect(differences(await document())).toEqual({ missing: [], stale: [] });
  });

  it('a route that is only in the OpenAPI document or only in the tables is found', async () => {
    const { paths } = await document();
    const invented = { ...paths, '/api/v1/secrets/{id}/print': { post: {} } };
    expect(differences({ paths: invented })).toEqual({ missing: ['POST /api/v1/secrets/{id}/print'], stale: [] });
    const { '/api/v1/secrets/{id}/access': _gone, ...fewer } = paths;
    expect(differences({ paths: fewer })).toEqual({ missing: [], stale: ['GET /api/v1/secrets/{id}/access'] });
  });

  it('every kind of caller is tried, however few cells of each row are', () => {
    expect(new Set(otherOperations.flatMap(kindsFor))).toEqual(new Set(callerKinds));
    expect(new Set(sessionRows.flatMap(({ operation, state }) => sessionCallersFor(operation, state)))).toEqual(
      new Set(sessionCallers),
    );
  });
});

describe('a route that is not about a secret', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await createFixture(app, keyFile, root);
  });

  it.each(otherOperations)('%s answers every kind of caller as the table says', async (operation) => {
    const came: Record<string, string> = {};
    const kinds = kindsFor(operation);
    for (const kind of kinds) {
      const { request, credentials } = await prepare(fixture, operation, kind);
      came[kind] = outcomeOf(await send(request, credentials));
    }
    expect(came, lineOf(operation)).toEqual(
      Object.fromEntries(kinds.map((kind) => [kind, expectedOf(operation, kind)])),
    );
    expect(Object.values(came).some(succeeds), 'every refusal has a kind of caller who is allowed').toBe(true);
  });
});

describe('an operation on a session', () => {
  let users: Record<'owner' | 'participant' | 'leaver' | 'stranger' | 'newcomer' | 'guest' | 'removed', Person>;
  let elsewhere: string;
  beforeAll(async () => {
    users = await people(app, root, 'owner', 'participant', 'leaver', 'stranger', 'newcomer', 'guest', 'removed');
    elsewhere = (await startSession(users.owner, [users.participant])).id;
  });

  const request = (operation: string, id: string) => {
    const path = `/api/v1/sessions/${id}`;
    const user_id = users.newcomer.id;
    const requests: Record<string, { method: string; path: string; body?: unknown }> = {
      get: { method: 'GET', path },
      cleanup: { method: 'GET', path: `${path}/cleanup` },
      patch: { method: 'PATCH', path, body: { title: 'A title' } },
      'add participant': { method: 'POST', path: `${path}/participants`, body: { user_id } },
      'remove participant': { method: 'DELETE', path: `${path}/participants/${user_id}` },
      end: { method: 'POST', path: `${path}/end` },
      join: { method: 'POST', path: `${path}/join` },
    };
    const found = requests[operation];
    if (!found) throw new Error(`there is no request for ${operation}`);
    return found;
  };

  const boundTo = async (session: string): Promise<string> => {
    const permissions = ['sessions:read', 'sessions:write', 'secrets:list'];
    const body = { name: 'bound', permissions, session_id: session, expires_in: 3600 };
    return expectStatus(await users.participant.call('POST', '/auth/tokens', { body }), 201).body.token;
  };

  /** A new session in this state, with participants who left, were removed or are invited, and with the token of every caller. */
  const openSession = async (state: string) => {
    // Far enough away for everybody to join before, on a slow machine too.
    const expires_at = new Date(Math.max(Date.now(), app.clock.now().getTime()) + 20_000);
    const { id } = await startSession(users.owner, [users.participant, users.leaver, users.removed], {
      ...(state === 'expired' ? { expires_at } : {}),
    });
    const tokens: Record<SessionCaller, string> = {
      owner: users.owner.token,
      participant: users.participant.token,
      'ex-participant': users.leaver.token,
      stranger: users.stranger.token,
      admin: root.token,
      'bound to it': await boundTo(id),
      'bound elsewhere': await boundTo(elsewhere),
      invited: users.guest.token,
      removed: users.removed.token,
    };
    const leave = `/sessions/${id}/participants/${users.leaver.id}`;
    expectStatus(await users.leaver.call('DELETE', leave), 204);
    expectStatus(await users.owner.call('DELETE', `/sessions/${id}/participants/${users.removed.id}`), 204);
    const body = { user_id: users.guest.id };
    expectStatus(await users.owner.call('POST', `/sessions/${id}/participants`, { body }), 201);
    if (state === 'ended') expectStatus(await users.owner.call('POST', `/sessions/${id}/end`), 200);
    if (state === 'expired') app.clock.set(expires_at);
    return { id, tokens };
  };

  it.each(sessionRows)(
    '$operation of a session that is $state answers every caller as the table says',
    async ({ operation, state }) => {
      const { id, tokens } = await openSession(state);
      const came: Record<string, string> = {};
      const callers = sessionCallersFor(operation, state);
      // The owner comes last: a request that was refused to all others must still succeed on the same session.
      for (const caller of callers.toReversed()) {
        const token = tokens[caller];
        const reply = await send(request(operation, id), { token });
        came[caller] = outcomeOf(reply);
        if (came[caller] !== '403 session_not_joined') continue;
        const never = randomUUID();
        const nothing = await send(request(operation, never), { token });
        expect(bytesOf(reply, [id]), `${caller} learns that the session exists`).toBe(bytesOf(nothing, [never]));
      }
      expect(came, sessionLineOf(operation, state)).toEqual(
        Object.fromEntries(callers.map((caller) => [caller, expectedFor(operation, state, caller)])),
      );
      if (succeeds(came['owner'] ?? '')) return;
      const active = await startSession(users.owner);
      expect(outcomeOf(await send(request(operation, active.id), { token: users.owner.token }))).toMatch(/^2/);
    },
  );
});

describe('a disabled user', () => {
  let member: Person;
  let disabled: Person;
  beforeAll(async () => {
    ({ member, disabled } = await people(app, root, 'member', 'disabled'));
    expectStatus(await root.call('PATCH', `/users/${disabled.id}`, { body: { status: 'disabled' } }), 200);
  });

  const requests = [
    { what: 'GET', path: (id: string) => `/users/${id}`, body: undefined },
    { what: 'PATCH status', path: (id: string) => `/users/${id}`, body: { status: 'active' } },
    { what: 'PATCH name', path: (id: string) => `/users/${id}`, body: { display_name: 'Somebody' } },
    { what: 'DELETE', path: (id: string) => `/users/${id}`, body: undefined },
    { what: 'POST password', path: (id: string) => `/users/${id}/password`, body: { new_password: 'a new password' } },
    { what: 'POST cancel', path: (id: string) => `/users/${id}/password/cancel`, body: undefined },
  ];

  it.each(requests)(
    '$what about a disabled user answers a member as if the user had never existed',
    async ({ what, path, body }) => {
      const never = randomUUID();
      const request = (id: string) => ({ method: what.split(' ')[0] ?? '', path: `/api/v1${path(id)}`, body });
      const [there, not] = [
        await send(request(disabled.id), { token: member.token }),
        await send(request(never), { token: member.token }),
      ];
      expect(there.status).toBeGreaterThanOrEqual(403);
      expect(bytesOf(there, [disabled.id])).toBe(bytesOf(not, [never]));
    },
  );

  it('a disabled user is shown to administrators, and to everybody once enabled', async () => {
    expect((await root.call('GET', `/users/${disabled.id}`)).body).toMatchObject({
      id: disabled.id,
      status: 'disabled',
    });
    expectStatus(await root.call('PATCH', `/users/${disabled.id}`, { body: { status: 'active' } }), 200);
    expect((await member.call('GET', `/users/${disabled.id}`)).body).toMatchObject({
      id: disabled.id,
      username: 'disabled',
    });
  });
});

describe('logins and tokens of another user', () => {
  it('ending another user’s login or token answers as if it did not exist, and ending one’s own succeeds', async () => {
    const { ada, grace } = await people(app, root, 'ada', 'grace');
    const body = { name: 'a token', permissions: ['secrets:use'], expires_in: 60 };
    const token = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body.id;
    const login = expectStatus(await ada.call('GET', '/auth/logins'), 200).body.logins[0].id;
    for (const [kind, id] of [
      ['tokens', token],
      ['logins', login],
    ]) {
      const remove = (one: string) => ({ method: 'DELETE', path: `/api/v1/auth/${kind}/${one}` });
      const never = randomUUID();
      const reply = await send(remove(id), { token: grace.token });
      expect(outcomeOf(reply)).toBe('404 not_found');
      expect(bytesOf(reply, [id])).toBe(bytesOf(await send(remove(never), { token: grace.token }), [never]));
      expect(outcomeOf(await send(remove(id), { token: ada.token }))).toBe('204');
    }
  });
});
