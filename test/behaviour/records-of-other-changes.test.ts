import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deafHook, startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import type { Answer } from '../support/http.ts';
import { storeJob } from '../support/jobs.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { type AuditRecord, createMarkedTexts, withRecords } from '../support/records.ts';
import { remember } from '../support/remembered.ts';
import { newRootKeyFile, type RootKeyFile } from '../support/root-key-file.ts';

const hour = 3_600_000;
const { marked, foundInRecords } = createMarkedTexts();

let app: TestApp;
let keyFile: RootKeyFile;
let root: Person;
let ada: Person;
let grace: Person;
let linus: Person;
/** Ada, by a login with a password that an administrator has just set. */
let waiting: Person;
let bound: Person;
let managingBound: Person;
let graphBound: Person;
beforeAll(async () => {
  keyFile = newRootKeyFile();
  app = await startApp({ clock: settableClock(new Date(Date.now() + hour)), rootKeys: keyFile.source });
  root = await logInAdmin(app);
  ({ ada, grace, linus } = await people(app, root, 'ada', 'grace', 'linus'));
  const { id } = await startSession(ada);
  const body = { name: marked(), permissions: ['secrets:write', 'sessions:write'], session_id: id, expires_in: 3600 };
  bound = ada.with(expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body.token);
  const managing = { name: marked(), permissions: ['secrets:manage'], session_id: id, expires_in: 3600 };
  managingBound = ada.with(expectStatus(await ada.call('POST', '/auth/tokens', { body: managing }), 201).body.token);
  const writing = { name: marked(), permissions: ['graph:write'], session_id: id, expires_in: 3600 };
  graphBound = ada.with(expectStatus(await ada.call('POST', '/auth/tokens', { body: writing }), 201).body.token);
  app.clock.advance(1000);
  const chosen = 'chosen by an administrator';
  expectStatus(await root.call('POST', `/users/${ada.id}/password`, { body: { new_password: chosen } }), 200);
  waiting = await logIn(app, 'ada', chosen);
});
afterAll(async () => {
  await app.close();
  keyFile.remove();
});

const paths: Record<string, Record<string, { security?: unknown[] }>> = JSON.parse(
  readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'),
).paths;
const routes = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { security }]) => ({
    route: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    isPublic: security?.length === 0,
  })),
);
const gated = routes.filter(({ isPublic, path }) => !isPublic && path.startsWith('/api/v1'));

describe('a request that the gate of a route refuses', () => {
  /** A path of the route. The gate comes before anything is looked up or validated. */
  const somePath = (path: string): string =>
    path
      .replace('/api/v1', '')
      .replace('{v}', '1')
      .replaceAll(/\{[a-z_]+\}/g, randomUUID());
  const send = (who: Person, { method, path }: (typeof gated)[number], session?: string) =>
    who.call(method, somePath(path), { session, ...(method === 'GET' || method === 'DELETE' ? {} : { body: {} }) });

  const tokenWith = async (permissions: readonly string[]) =>
    expectStatus(
      await grace.call('POST', '/auth/tokens', { body: { name: marked(), permissions, expires_in: 60 } }),
      201,
    ).body;

  it('the OpenAPI document has the routes that are tried here', () => {
    expect(gated.length).toBeGreaterThan(40);
  });

  /** The operations of somebody who is not yet in the session that they name, which refuse it themselves. */
  const settling: Readonly<Record<string, string>> = {
    'POST /api/v1/sessions': 'session.create',
    'POST /api/v1/sessions/{id}/join': 'session.join',
  };

  it.each(gated)('$route with an unknown session leaves one record', async (one) => {
    const { answer, records } = await withRecords(app, () => send(grace, one, marked()));
    expect(expectStatus(answer, 403).body.code).toBe('session_not_joined');
    const action = settling[one.route] ?? 'session.refused';
    expect(records).toEqual([record(`${action} session_not_joined`, grace, null)]);
  });

  it.each(gated)('$route with a revoked token leaves one record', async (one) => {
    const { token, id } = await tokenWith(['secrets:use']);
    expectStatus(await grace.call('DELETE', `/auth/tokens/${id}`), 204);
    const { answer, records } = await withRecords(app, () => send(grace.with(token), one));
    expectStatus(answer, 401);
    expect(records).toEqual([record('token.refused ended', grace, null)]);
  });

  const openToEveryToken = ['POST /api/v1/auth/logout', 'GET /api/v1/auth/me', 'GET /api/v1/users/{id}'];
  const narrow = gated.filter(({ route }) => !openToEveryToken.includes(route));
  it.each(narrow)('$route with a token that lacks the permission leaves one record', async (one) => {
    const { token } = await tokenWith(['secrets:use']);
    const { answer, records } = await withRecords(app, () => send(grace.with(token), one));
    expect(expectStatus(answer, 403).body.code).toBe('permission_missing');
    expect(records).toEqual([record('request.refused permission_missing', grace, null)]);
  });
});

const record = (text: string, actor: Person | null, target: string | null): AuditRecord => {
  const [action = '', reason = ''] = text.split(' ');
  return { action, outcome: 'refused', reason, actor_id: actor?.id ?? null, target_id: target };
};

/** What a case sends, and what its record says besides action and reason. */
interface Sent {
  readonly send: () => Promise<Answer<any>>;
  readonly actor: Person | null;
  /** Null where the request is about nothing that exists. */
  readonly target: string | null;
}

interface Case {
  readonly route: string;
  readonly what: string;
  readonly status: number;
  /** Action and reason. */
  readonly record: string;
  prepare(): Promise<Sent>;
}

const refusal = (
  route: string,
  what: string,
  status: number,
  text: string,
  prepare: () => Promise<Sent> | Sent,
): Case => ({ route, what, status, record: text, prepare: async () => await prepare() });

/** A request by this user that is about this target. */
const by = (who: Person, method: string, path: string, body?: object, target: string | null = null): Sent => ({
  send: () => who.call(method, path, body === undefined ? {} : { body }),
  actor: who,
  target,
});

const secretBody = (more: object = {}) => ({ name: marked(), type: 'other', value: marked(32), ...more });
const importBody = (more: object = {}) => ({ items: [secretBody(more)], on_conflict: 'fail' });
const atSessions = '/api/v1/sessions';
const atUsers = '/api/v1/users';
const atHandovers = '/api/v1/handovers';
const atKeys = '/api/v1/admin/keys';
const atWebhooks = '/api/v1/webhooks';
const atGraph = '/api/v1/graph';

/** A session of Ada's with Grace in it. */
const session = async (ended = false): Promise<string> => {
  const { id } = await startSession(ada, [grace], { external_id: marked(), title: marked() });
  if (ended) expectStatus(await ada.call('POST', `/sessions/${id}/end`), 200);
  return id;
};

const onSession = (
  route: string,
  action: string,
  request: (id: string) => readonly [string, string, object?],
): readonly Case[] => [
  refusal(route, 'of a session that one is not in', 403, `${action} session_not_joined`, async () => {
    const [method, path, body] = request(await session());
    return by(linus, method, path, body);
  }),
  refusal(route, 'by a participant', 403, `${action} owner_only`, async () => {
    const id = await session();
    const [method, path, body] = request(id);
    return by(grace, method, path, body, id);
  }),
];

/** A secret of Ada's that is offered to Grace. */
const offered = async () => {
  const name = marked();
  const { id: secret } = await keepSecret(ada, { name });
  const answer = await ada.call('POST', `/secrets/${secret}/handover`, { body: { to: grace.id } });
  return { secret, name, handover: expectStatus(answer, 201).body.id };
};
const webhook = async (who: Person): Promise<string> =>
  expectStatus(await who.call('POST', '/webhooks', { body: { url: deafHook } }), 201).body.id;

/** A change of another user's webhook. */
const onWebhook = (method: string, verb: string, action: string, body?: object): readonly Case[] => [
  refusal(`${method} ${atWebhooks}/{id}${verb}`, 'of another user', 404, `${action} nothing`, async () => {
    const id = await webhook(ada);
    return by(grace, method, `/webhooks/${id}${verb.replace('{delivery_id}', randomUUID())}`, body, id);
  }),
];

/** A write about something of Ada's, which Grace cannot see. */
const onGraph = (
  route: string,
  action: string,
  request: (hidden: { readonly id: string; readonly name: string }) => readonly [string, object?],
): Case =>
  refusal(
    route.replace(' ', ` ${atGraph}`),
    'about what another user remembers',
    404,
    `${action} not_found`,
    async () => {
      const [path, body] = request(await remember(ada, { name: marked() }));
      return by(grace, route.split(' ')[0] ?? '', `/graph${path}`, body);
    },
  );

const keysNow = async () => expectStatus(await root.call('GET', '/admin/keys'), 200).body;

const cases: readonly Case[] = [
  onGraph('PATCH /entities/{id}', 'graph.update', ({ id }) => [`/entities/${id}`, { tags: [marked()] }]),
  onGraph('DELETE /entities/{id}', 'graph.delete', ({ id }) => [`/entities/${id}`]),
  onGraph('POST /entities/{id}/merge', 'graph.merge', ({ id }) => [`/entities/${id}/merge`, { into: randomUUID() }]),
  onGraph('POST /observations', 'graph.write', ({ id }) => [
    '/observations',
    { observations: [{ entity: { id }, contents: [marked()] }] },
  ]),
  onGraph('DELETE /observations', 'graph.delete', ({ id }) => [
    '/observations',
    { observations: [{ entity: { id }, contents: [marked()] }] },
  ]),
  onGraph('PATCH /observations/{id}', 'graph.update', ({ id }) => [`/observations/${id}`, { invalid_at: null }]),
  onGraph('POST /relations', 'graph.write', ({ id, name }) => [
    '/relations',
    { relations: [{ from: { id }, to: { name }, type: marked() }] },
  ]),
  onGraph('DELETE /relations', 'graph.delete', ({ id, name }) => [
    '/relations',
    { relations: [{ from: { id }, to: { name }, type: marked() }] },
  ]),
  onGraph('PATCH /relations/{id}', 'graph.update', ({ id }) => [`/relations/${id}`, { invalid_at: null }]),
  refusal(
    `POST ${atGraph}/activities`,
    'with a use that was never recorded',
    404,
    'graph.write not_found',
    async () => {
      const session_id = (await startSession(grace)).id;
      const used = { type: 'FILE_ACTIVITY', content: marked(), secrets_used: [randomUUID()], session_id };
      return by(grace, 'POST', '/graph/activities', used);
    },
  ),
  refusal(`POST ${atGraph}/users`, 'about another user', 403, 'graph.write owner_only', () =>
    by(grace, 'POST', '/graph/users', { username: 'ada', user_id: ada.id }),
  ),
  onGraph('POST /sessions', 'graph.write', () => ['/sessions', { session_id: randomUUID() }]),
  onGraph('POST /secrets', 'graph.write', () => ['/secrets', { secret_id: randomUUID() }]),
  refusal(`POST ${atGraph}/entities`, 'of another type', 409, 'graph.write name_taken', async () => {
    const { name } = await remember(ada, { name: marked() });
    return by(ada, 'POST', '/graph/entities', { entities: [{ type: marked(), name }] });
  }),
  refusal(`POST ${atGraph}/import`, 'of a relation to an unknown name', 400, 'graph.import invalid_request', () =>
    by(ada, 'POST', '/graph/import?format=jsonl', {
      type: 'relation',
      from: marked(),
      to: marked(),
      relationType: marked(),
    }),
  ),
  refusal(`DELETE ${atGraph}/me`, 'by a token that is bound to a session', 403, 'graph.forget permission_missing', () =>
    by(graphBound, 'DELETE', '/graph/me'),
  ),
  refusal('POST /api/v1/secrets', 'with a name that is taken', 409, 'secret.create name_taken', async () => {
    const { name } = await keepSecret(ada, { name: marked() });
    return by(ada, 'POST', '/secrets', secretBody({ name }));
  }),
  refusal('POST /api/v1/secrets', 'shared with an unknown user', 400, 'secret.create invalid_request', () =>
    by(ada, 'POST', '/secrets', secretBody({ scope: 'shared', shared_with: [randomUUID()] })),
  ),
  refusal(
    'POST /api/v1/secrets',
    'in a session that one is not in',
    403,
    'secret.create session_not_joined',
    async () => by(linus, 'POST', '/secrets', secretBody({ scope: 'session', session_id: await session() })),
  ),
  refusal('POST /api/v1/secrets', 'by a token that is bound elsewhere', 403, 'secret.create permission_missing', () =>
    by(bound, 'POST', '/secrets', secretBody()),
  ),
  refusal('POST /api/v1/secrets/import', 'with a name that is taken', 409, 'secret.import name_taken', async () => {
    const { name } = await keepSecret(ada, { name: marked() });
    return by(ada, 'POST', '/secrets/import', importBody({ name }));
  }),
  refusal('POST /api/v1/secrets/import', 'with an unknown grantee', 400, 'secret.import invalid_request', () =>
    by(ada, 'POST', '/secrets/import', importBody({ scope: 'shared', shared_with: [randomUUID()] })),
  ),
  refusal(
    'POST /api/v1/secrets/import',
    'into a session that one is not in',
    403,
    'secret.import session_not_joined',
    async () => by(linus, 'POST', '/secrets/import', importBody({ scope: 'session', session_id: await session() })),
  ),
  refusal(`POST ${atSessions}`, 'with an external id that is taken', 409, 'session.create name_taken', async () => {
    const external_id = marked();
    await startSession(ada, [], { external_id });
    return by(ada, 'POST', '/sessions', { external_id });
  }),
  refusal(`POST ${atSessions}`, 'with an unknown participant', 400, 'session.create invalid_request', () =>
    by(ada, 'POST', '/sessions', { participants: [randomUUID()] }),
  ),
  refusal(`POST ${atSessions}`, 'by a token that is bound elsewhere', 403, 'session.create permission_missing', () =>
    by(bound, 'POST', '/sessions', { title: marked() }),
  ),
  ...onSession(`PATCH ${atSessions}/{id}`, 'session.update', (id) => ['PATCH', `/sessions/${id}`, { title: marked() }]),
  refusal(`PATCH ${atSessions}/{id}`, 'of a session that has ended', 409, 'session.update state_conflict', async () => {
    const id = await session(true);
    return by(ada, 'PATCH', `/sessions/${id}`, { title: marked() }, id);
  }),
  refusal(`PATCH ${atSessions}/{id}`, 'with an end in the past', 400, 'session.update invalid_request', async () => {
    const id = await session();
    return by(ada, 'PATCH', `/sessions/${id}`, { expires_at: app.clock.now() }, id);
  }),
  ...onSession(`POST ${atSessions}/{id}/participants`, 'session.participant_add', (id) => [
    'POST',
    `/sessions/${id}/participants`,
    { user_id: linus.id },
  ]),
  refusal(
    `POST ${atSessions}/{id}/participants`,
    'of a session that has ended',
    409,
    'session.participant_add state_conflict',
    async () => {
      const id = await session(true);
      return by(ada, 'POST', `/sessions/${id}/participants`, { user_id: linus.id }, id);
    },
  ),
  refusal(
    `POST ${atSessions}/{id}/participants`,
    'with an unknown user',
    400,
    'session.participant_add invalid_request',
    async () => {
      const id = await session();
      return by(ada, 'POST', `/sessions/${id}/participants`, { username: marked() }, id);
    },
  ),
  ...onSession(`DELETE ${atSessions}/{id}/participants/{user_id}`, 'session.participant_remove', (id) => [
    'DELETE',
    `/sessions/${id}/participants/${ada.id}`,
  ]),
  refusal(
    `DELETE ${atSessions}/{id}/participants/{user_id}`,
    'by its owner, to somebody who is not in it',
    400,
    'session.hand_over invalid_request',
    async () => {
      const id = await session();
      return by(ada, 'DELETE', `/sessions/${id}/participants/${ada.id}?new_owner=${linus.id}`, undefined, id);
    },
  ),
  refusal(
    `POST ${atSessions}/{id}/join`,
    'of a session that one is not invited to',
    403,
    'session.join session_not_joined',
    async () => {
      const id = await session();
      return by(linus, 'POST', `/sessions/${id}/join`, undefined, id);
    },
  ),
  refusal(
    `POST ${atSessions}/{id}/join`,
    'of a session that has ended',
    409,
    'session.join state_conflict',
    async () => {
      const id = await session(true);
      return by(ada, 'POST', `/sessions/${id}/join`, undefined, id);
    },
  ),
  ...onSession(`POST ${atSessions}/{id}/end`, 'session.end', (id) => ['POST', `/sessions/${id}/end`]),
  refusal(`POST ${atUsers}`, 'with a username that is taken', 409, 'user.create name_taken', () =>
    by(root, 'POST', '/users', { username: 'ada' }),
  ),
  refusal(`PATCH ${atUsers}/{id}`, 'of a role by a member', 403, 'user.update permission_missing', () =>
    by(grace, 'PATCH', `/users/${grace.id}`, { role: 'admin' }, grace.id),
  ),
  refusal(`PATCH ${atUsers}/{id}`, 'of another user’s name', 403, 'user.update permission_missing', () =>
    by(root, 'PATCH', `/users/${grace.id}`, { display_name: marked() }, grace.id),
  ),
  refusal(`PATCH ${atUsers}/{id}`, 'of a user who does not exist', 404, 'user.update not_found', () => {
    const id = randomUUID();
    return by(root, 'PATCH', `/users/${id}`, { role: 'member' }, id);
  }),
  refusal(`PATCH ${atUsers}/{id}`, 'of the last administrator', 409, 'user.update state_conflict', () =>
    by(root, 'PATCH', `/users/${root.id}`, { role: 'member' }, root.id),
  ),
  refusal(`DELETE ${atUsers}/{id}`, 'of another user by a member', 403, 'user.erase permission_missing', () =>
    by(grace, 'DELETE', `/users/${ada.id}`, undefined, ada.id),
  ),
  refusal(`DELETE ${atUsers}/{id}`, 'of a user who does not exist', 404, 'user.erase not_found', () => {
    const id = randomUUID();
    return by(root, 'DELETE', `/users/${id}`, undefined, id);
  }),
  refusal(`DELETE ${atUsers}/{id}`, 'of the last administrator', 409, 'user.erase state_conflict', () =>
    by(root, 'DELETE', `/users/${root.id}`, undefined, root.id),
  ),
  refusal(
    `POST ${atUsers}/{id}/password`,
    'with a wrong current password',
    401,
    'user.password_change login_failed',
    () =>
      by(
        grace,
        'POST',
        `/users/${grace.id}/password`,
        { current_password: marked(), new_password: marked() },
        grace.id,
      ),
  ),
  refusal(
    `POST ${atUsers}/{id}/password`,
    'of another user by a member',
    403,
    'user.password_reset permission_missing',
    () => by(grace, 'POST', `/users/${ada.id}/password`, { new_password: marked() }, ada.id),
  ),
  refusal(`POST ${atUsers}/{id}/password`, 'of a user who does not exist', 404, 'user.password_reset not_found', () => {
    const id = randomUUID();
    return by(root, 'POST', `/users/${id}/password`, { new_password: marked() }, id);
  }),
  refusal(
    `POST ${atUsers}/{id}/password/cancel`,
    'of another user by a member',
    403,
    'user.reset_cancel permission_missing',
    () => by(grace, 'POST', `/users/${ada.id}/password/cancel`, undefined, ada.id),
  ),
  refusal(`POST ${atUsers}/{id}/password/cancel`, 'where no reset waits', 409, 'user.reset_cancel state_conflict', () =>
    by(grace, 'POST', `/users/${grace.id}/password/cancel`, undefined, grace.id),
  ),
  refusal(
    `POST ${atUsers}/{id}/password/cancel`,
    'of a user who does not exist',
    404,
    'user.reset_cancel not_found',
    () => {
      const id = randomUUID();
      return by(root, 'POST', `/users/${id}/password/cancel`, undefined, id);
    },
  ),
  refusal(
    'POST /api/v1/auth/tokens',
    'with more than one’s own permissions',
    403,
    'token.create permission_missing',
    () => by(grace, 'POST', '/auth/tokens', { name: marked(), permissions: ['admin'], expires_in: 60 }),
  ),
  refusal(
    'POST /api/v1/auth/tokens',
    'for a session that one is not in',
    403,
    'token.create session_not_joined',
    async () =>
      by(linus, 'POST', '/auth/tokens', {
        name: marked(),
        permissions: ['secrets:list'],
        session_id: await session(),
        expires_in: 60,
      }),
  ),
  refusal('DELETE /api/v1/auth/tokens/{id}', 'of another user', 404, 'token.revoke nothing', async () => {
    const body = { name: marked(), permissions: ['secrets:list'], expires_in: 60 };
    const { id } = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body;
    return by(grace, 'DELETE', `/auth/tokens/${id}`, undefined, id);
  }),
  refusal('DELETE /api/v1/auth/logins/{id}', 'of another user', 404, 'login.end nothing', async () => {
    const { id } = expectStatus(await ada.call('GET', '/auth/logins'), 200).body.logins[0];
    return by(grace, 'DELETE', `/auth/logins/${id}`, undefined, id);
  }),
  refusal('POST /api/v1/notices/read', 'up to an event of others', 404, 'notice.read nothing', () =>
    by(ada, 'POST', '/notices/read', { up_to: randomUUID() }),
  ),
  refusal(
    `POST ${atUsers}/{id}/handover`,
    'of a user who is not disabled',
    409,
    'handover.offer_all state_conflict',
    () => by(root, 'POST', `/users/${grace.id}/handover`, { to: linus.id }, grace.id),
  ),
  refusal(`POST ${atUsers}/{id}/handover`, 'of a user who does not exist', 404, 'handover.offer_all not_found', () => {
    const id = randomUUID();
    return by(root, 'POST', `/users/${id}/handover`, { to: linus.id }, id);
  }),
  ...(['accept', 'cancel'] as const).flatMap((verb) => [
    refusal(`POST ${atHandovers}/{id}/${verb}`, 'by a stranger', 404, `handover.${verb} not_found`, async () =>
      by(linus, 'POST', `/handovers/${(await offered()).handover}/${verb}`),
    ),
    refusal(`POST ${atHandovers}/{id}/${verb}`, 'twice', 409, `handover.${verb} state_conflict`, async () => {
      const { handover, secret } = await offered();
      expectStatus(await grace.call('POST', `/handovers/${handover}/${verb}`), 200);
      return by(grace, 'POST', `/handovers/${handover}/${verb}`, undefined, secret);
    }),
    refusal(
      `POST ${atHandovers}/{id}/${verb}`,
      'by a token that is bound elsewhere',
      403,
      `handover.${verb} permission_missing`,
      async () => by(managingBound, 'POST', `/handovers/${(await offered()).handover}/${verb}`),
    ),
  ]),
  refusal(`POST ${atHandovers}/{id}/accept`, 'by the giver', 403, 'handover.accept owner_only', async () => {
    const { handover, secret } = await offered();
    return by(ada, 'POST', `/handovers/${handover}/accept`, undefined, secret);
  }),
  refusal(
    `POST ${atHandovers}/{id}/accept`,
    'with a name that the receiver uses',
    409,
    'handover.accept name_taken',
    async () => {
      const { handover, secret, name } = await offered();
      await keepSecret(grace, { name });
      return by(grace, 'POST', `/handovers/${handover}/accept`, undefined, secret);
    },
  ),
  refusal('DELETE /api/v1/admin/jobs/{id}', 'that does not exist', 404, 'job.cancel not_found', () => {
    const id = randomUUID();
    return by(root, 'DELETE', `/admin/jobs/${id}`, undefined, id);
  }),
  refusal(
    'DELETE /api/v1/admin/jobs/{id}',
    'that must not stop halfway',
    409,
    'job.cancel state_conflict',
    async () => {
      const id = await storeJob(app, { cancellable: false });
      return by(root, 'DELETE', `/admin/jobs/${id}`, undefined, id);
    },
  ),
  refusal(`POST ${atKeys}/reencrypt`, 'of a user who does not exist', 404, 'key.reencrypt not_found', () =>
    by(root, 'POST', '/admin/keys/reencrypt', { user_id: randomUUID() }),
  ),
  refusal(`POST ${atKeys}/retire`, 'of a root key that is not known', 404, 'key.retire not_found', () =>
    by(root, 'POST', '/admin/keys/retire', { root_key_id: '0123456789abcdef' }),
  ),
  refusal(`POST ${atKeys}/retire`, 'of the primary root key', 409, 'key.retire state_conflict', async () =>
    by(root, 'POST', '/admin/keys/retire', { root_key_id: (await keysNow()).root_keys[0].id }),
  ),
  refusal(`POST ${atKeys}/retire`, 'of a seal key that is not known', 404, 'key.retire not_found', () =>
    by(root, 'POST', '/admin/keys/retire', { seal_key_id: randomUUID() }),
  ),
  refusal(`POST ${atKeys}/retire`, 'of the key that seals', 409, 'key.retire state_conflict', async () =>
    by(root, 'POST', '/admin/keys/retire', { seal_key_id: (await keysNow()).seal_keys[0].id }),
  ),
  refusal(`POST ${atKeys}/retire`, 'giving up a row that is in order', 409, 'key.give_up state_conflict', async () => {
    const { id } = await keepSecret(ada, { name: marked() });
    return by(root, 'POST', '/admin/keys/retire', {
      root_key_id: (await keysNow()).root_keys[0].id,
      give_up: [{ table: 'secrets', key: id }],
    });
  }),
  refusal(`POST ${atKeys}/retire`, 'giving up a row that is not there', 404, 'key.give_up not_found', async () =>
    by(root, 'POST', '/admin/keys/retire', {
      root_key_id: (await keysNow()).root_keys[0].id,
      give_up: [{ table: 'secrets', key: randomUUID() }],
    }),
  ),
  refusal(`POST ${atWebhooks}`, 'at an address that is not public', 400, 'webhook.create invalid_request', () =>
    by(ada, 'POST', '/webhooks', { url: `https://127.0.0.1/${marked()}` }),
  ),
  refusal(`POST ${atWebhooks}`, 'of the service by a member', 403, 'webhook.create permission_missing', () =>
    by(ada, 'POST', '/webhooks', { url: deafHook, service: true }),
  ),
  refusal(
    `PATCH ${atWebhooks}/{id}`,
    'to an address that is not public',
    400,
    'webhook.change invalid_request',
    async () => {
      const id = await webhook(ada);
      return by(ada, 'PATCH', `/webhooks/${id}`, { url: `https://10.0.0.1/${marked()}` }, id);
    },
  ),
  ...onWebhook('PATCH', '', 'webhook.change', { state: 'off' }),
  ...onWebhook('DELETE', '', 'webhook.delete'),
  ...onWebhook('POST', '/rotate-secret', 'webhook.rotate_secret', {}),
  ...onWebhook('POST', '/test', 'webhook.test'),
  ...onWebhook('POST', `/deliveries/{delivery_id}/redeliver`, 'webhook.redeliver'),
  refusal(`POST ${atWebhooks}/{id}/test`, 'that is off', 409, 'webhook.test state_conflict', async () => {
    const id = await webhook(ada);
    expectStatus(await ada.call('PATCH', `/webhooks/${id}`, { body: { state: 'off' } }), 200);
    return by(ada, 'POST', `/webhooks/${id}/test`, undefined, id);
  }),
  refusal('POST /api/v1/auth/refresh', 'with a token that was used before', 401, 'login.refresh reused', async () => {
    const login = await logIn(app, 'grace');
    const body = { refresh_token: login.refreshToken };
    expectStatus(await app.call('POST', '/auth/refresh', { body }), 200);
    return { send: () => app.call('POST', '/auth/refresh', { body }), actor: grace, target: loginOf(login) };
  }),
  refusal('POST /api/v1/auth/refresh', 'of a login that was ended', 401, 'login.refresh ended', async () => {
    const login = await logIn(app, 'grace');
    expectStatus(await login.call('POST', '/auth/logout'), 204);
    const body = { refresh_token: login.refreshToken };
    return { send: () => app.call('POST', '/auth/refresh', { body }), actor: grace, target: loginOf(login) };
  }),
  refusal('POST /api/v1/auth/login', 'with a wrong password', 401, 'login.refused wrong_password', () => ({
    send: () => app.call('POST', '/auth/login', { body: { username: 'grace', password: marked() } }),
    actor: grace,
    target: grace.id,
  })),
];

const loginOf = ({ token }: Person): string =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).login_id;

describe('a change that is refused', () => {
  it('every route that changes something other than one secret is tried here', () => {
    // A route on one secret is in records-of-secrets.test.ts. A logout and the start of two kinds of jobs are refused at the
    // gate only. What changes or reads the file of root keys is recorded before, and fails below.
    const elsewhere =
      /^GET |\/secrets\/(\{id\}|reveal)|POST \/api\/v1\/(auth\/logout|admin\/keys\/(rewrap|rotate-seal|reload|rotate-root))/;
    const changing = routes.filter(({ route }) => !elsewhere.test(route)).map(({ route }) => route);
    expect([...new Set(cases.map(({ route }) => route))].sort()).toEqual(changing.sort());
  });

  it.each(cases)('$route $what leaves one record: $record', async ({ status, record: text, prepare }) => {
    const { send, actor, target } = await prepare();
    const { answer, records } = await withRecords(app, send);
    expectStatus(answer, status);
    expect(records).toEqual([record(text, actor, target)]);
  });

  it.each([
    ['reload', 'key.reload', 'that holds no key', () => keyFile.write('none\n')],
    ['rotate-root', 'key.rotate_root', 'that was edited since it was read', () => void keyFile.add()],
  ])(
    'POST /api/v1/admin/keys/%s leaves a record of the attempt, %s, and one of its failure at a file %s',
    async (verb, action, _what, spoil) => {
      const text = keyFile.text();
      spoil();
      const { answer, records } = await withRecords(app, () => root.call('POST', `/admin/keys/${verb}`));
      keyFile.write(text);
      expect(expectStatus(answer, 409).body.code).toBe('state_conflict');
      const of = { action, actor_id: root.id, target_id: null };
      expect(records).toEqual([
        { ...of, outcome: 'allowed', reason: null },
        { ...of, outcome: 'failed', reason: 'state_conflict' },
      ]);
    },
  );

  const byWaiting: readonly [string, string, string, (() => object)?][] = [
    ['POST /api/v1/secrets', 'POST', '/secrets', secretBody],
    ['POST /api/v1/secrets/import', 'POST', '/secrets/import', importBody],
    ['POST /api/v1/sessions', 'POST', '/sessions', () => ({})],
    ['PATCH /api/v1/sessions/{id}', 'PATCH', `/sessions/${randomUUID()}`, () => ({ title: marked() })],
    ['POST /api/v1/sessions/{id}/end', 'POST', `/sessions/${randomUUID()}/end`],
    [
      'POST /api/v1/auth/tokens',
      'POST',
      '/auth/tokens',
      () => ({ name: marked(), permissions: ['secrets:list'], expires_in: 60 }),
    ],
    ['POST /api/v1/secrets/{id}/handover', 'POST', `/secrets/${randomUUID()}/handover`, () => ({ to: grace.id })],
    ['POST /api/v1/handovers/{id}/accept', 'POST', `/handovers/${randomUUID()}/accept`],
    ['POST /api/v1/handovers/{id}/cancel', 'POST', `/handovers/${randomUUID()}/cancel`],
    ['DELETE /api/v1/auth/tokens/{id}', 'DELETE', `/auth/tokens/${randomUUID()}`],
    ['POST /api/v1/webhooks', 'POST', '/webhooks', () => ({ url: deafHook })],
    ['POST /api/v1/webhooks/{id}/test', 'POST', `/webhooks/${randomUUID()}/test`],
    ['DELETE /api/v1/auth/logins/{id}', 'DELETE', `/auth/logins/${randomUUID()}`],
    ['PATCH /api/v1/users/{id}', 'PATCH', '/users/ME', () => ({ display_name: marked() })],
    ['DELETE /api/v1/users/{id}', 'DELETE', '/users/ME'],
    [
      'POST /api/v1/users/{id}/password',
      'POST',
      '/users/ME/password',
      () => ({ current_password: 'chosen by an administrator', new_password: marked() }),
    ],
    ['POST /api/v1/users/{id}/password/cancel', 'POST', '/users/ME/password/cancel'],
  ];
  it.each(byWaiting)('%s by a login that waits after a reset leaves one record', async (_route, method, path, body) => {
    const { answer, records } = await withRecords(app, () =>
      waiting.call(method, path.replace('ME', waiting.id), body ? { body: body() } : {}),
    );
    expect(expectStatus(answer, 403).body.code).toBe('waiting_period');
    expect(records).toEqual([record('request.refused waiting_period', waiting, null)]);
  });

  it('a creation with an Idempotency-Key that was used for another body leaves one record', async () => {
    const headers = { 'idempotency-key': uniqueName('key') };
    const create = () => ada.call('POST', '/secrets', { headers, body: secretBody() });
    expectStatus(await create(), 201);
    const { answer, records } = await withRecords(app, create);
    expectStatus(answer, 409);
    expect(records).toMatchObject([{ outcome: 'refused', reason: 'idempotency_key_reused', actor_id: ada.id }]);
  });

  it('an import that fails at a damaged secret leaves a record of the refusal and one of the damage', async () => {
    const { id, name } = await keepSecret(ada, { name: marked() });
    const { client } = app.database;
    await client.query('update secrets set description = $1 where id = $2', ['written by somebody else', id]);
    const body = { items: [secretBody({ name })], on_conflict: 'update' };
    const { answer, records } = await withRecords(app, () => ada.call('POST', '/secrets/import', { body }));
    expect(expectStatus(answer, 409).body.code).toBe('integrity_broken');
    expect(records).toEqual([
      { ...record('row.integrity_broken seal', ada, id), outcome: 'failed' },
      record('secret.import integrity_broken', ada, null),
    ]);
  });

  it('requests with nothing but a malformed credential leave no record', async () => {
    const { records } = await withRecords(app, async () => {
      expectStatus(await app.call('GET', '/secrets', { token: 'kh_garbage' }), 401);
      expectStatus(await app.call('GET', '/secrets'), 401);
      expectStatus(await app.call('POST', '/auth/refresh', { body: { refresh_token: marked() } }), 401);
    });
    expect(records).toEqual([]);
  });
});

describe('a change that is allowed', () => {
  const allowed: readonly [string, () => Promise<() => Promise<Answer<any>>>, readonly string[]][] = [
    ['creating a secret', async () => () => ada.call('POST', '/secrets', { body: secretBody() }), ['secret.create']],
    [
      'creating a shared secret',
      async () => () =>
        ada.call('POST', '/secrets', { body: secretBody({ scope: 'shared', shared_with: [grace.id] }) }),
      ['secret.create'],
    ],
    [
      'importing a secret',
      async () => () => ada.call('POST', '/secrets/import', { body: importBody() }),
      ['secret.create', 'secret.import'],
    ],
    [
      'starting a session',
      async () => () => ada.call('POST', '/sessions', { body: { external_id: marked(), participants: [grace.id] } }),
      ['session.create'],
    ],
    [
      'changing a session',
      async () => {
        const id = await session();
        return () => ada.call('PATCH', `/sessions/${id}`, { body: { title: marked() } });
      },
      ['session.update'],
    ],
    [
      'adding a participant',
      async () => {
        const id = await session();
        return () => ada.call('POST', `/sessions/${id}/participants`, { body: { username: 'linus' } });
      },
      ['session.participant_add'],
    ],
    [
      'removing a participant',
      async () => {
        const id = await session();
        return () => ada.call('DELETE', `/sessions/${id}/participants/${grace.id}`);
      },
      ['session.participant_remove'],
    ],
    [
      'joining a session',
      async () => {
        const id = await session();
        const body = { username: 'linus' };
        expectStatus(await ada.call('POST', `/sessions/${id}/participants`, { body }), 201);
        return () => linus.call('POST', `/sessions/${id}/join`);
      },
      ['session.join'],
    ],
    [
      'leaving a session that one owns, which hands it over',
      async () => {
        const id = await session();
        return () => ada.call('DELETE', `/sessions/${id}/participants/${ada.id}`);
      },
      ['session.hand_over'],
    ],
    [
      'ending a session',
      async () => {
        const id = await session();
        return () => ada.call('POST', `/sessions/${id}/end`);
      },
      ['session.end'],
    ],
    [
      'creating a user',
      async () => () => root.call('POST', '/users', { body: { username: marked(), password: marked() } }),
      ['user.create'],
    ],
    [
      'changing a user',
      async () => () => grace.call('PATCH', `/users/${grace.id}`, { body: { display_name: marked() } }),
      ['user.update'],
    ],
    [
      'making a token',
      async () => () =>
        grace.call('POST', '/auth/tokens', { body: { name: marked(), permissions: ['secrets:list'], expires_in: 60 } }),
      ['token.create'],
    ],
    [
      'logging in',
      async () => () => app.call('POST', '/auth/login', { body: { username: 'grace', password } }),
      ['login.create'],
    ],
    [
      'logging out',
      async () => {
        const login = await logIn(app, 'grace');
        return () => login.call('POST', '/auth/logout');
      },
      ['login.end'],
    ],
    [
      'refreshing a login',
      async () => {
        const { refreshToken } = await logIn(app, 'grace');
        return () => app.call('POST', '/auth/refresh', { body: { refresh_token: refreshToken } });
      },
      ['login.refresh'],
    ],
    [
      'resetting a password',
      async () => () => root.call('POST', `/users/${linus.id}/password`, { body: { new_password: marked() } }),
      ['user.password_reset'],
    ],
    [
      'cancelling a reset',
      async () => () => root.call('POST', `/users/${linus.id}/password/cancel`),
      ['user.reset_cancel'],
    ],
    [
      'disabling a user',
      async () => () => root.call('PATCH', `/users/${linus.id}`, { body: { status: 'disabled' } }),
      ['user.disable'],
    ],
    [
      'enabling a user',
      async () => () => root.call('PATCH', `/users/${linus.id}`, { body: { status: 'active' } }),
      ['user.enable'],
    ],
    [
      'offering a secret',
      async () => {
        const { id } = await keepSecret(ada, { name: marked() });
        return () => ada.call('POST', `/secrets/${id}/handover`, { body: { to: grace.id } });
      },
      ['handover.offer'],
    ],
    [
      'accepting a secret',
      async () => {
        const { handover } = await offered();
        return () => grace.call('POST', `/handovers/${handover}/accept`);
      },
      ['secret.hand_over', 'handover.accept'],
    ],
    [
      'declining a secret',
      async () => {
        const { handover } = await offered();
        return () => grace.call('POST', `/handovers/${handover}/cancel`);
      },
      ['handover.cancel'],
    ],
    [
      'offering everything of a disabled user',
      async () => {
        expectStatus(await root.call('PATCH', `/users/${linus.id}`, { body: { status: 'disabled' } }), 200);
        return () => root.call('POST', `/users/${linus.id}/handover`, { body: { to: grace.id } });
      },
      ['handover.offer_all'],
    ],
    [
      'enabling a user whose secrets are offered',
      async () => () => root.call('PATCH', `/users/${linus.id}`, { body: { status: 'active' } }),
      ['user.enable', 'handover.cancel'],
    ],
    [
      'remembering entities',
      async () => () =>
        ada.call('POST', '/graph/entities', {
          body: { entities: [{ type: marked(), name: marked(), observations: [marked()], tags: [marked()] }] },
        }),
      ['graph.write'],
    ],
    [
      'changing an entity',
      async () => {
        const { id } = await remember(ada, { name: marked() });
        return () => ada.call('PATCH', `/graph/entities/${id}`, { body: { name: marked() } });
      },
      ['graph.update'],
    ],
    [
      'merging entities',
      async () => {
        const [one, other] = [await remember(ada, { name: marked() }), await remember(ada, { name: marked() })];
        return () => ada.call('POST', `/graph/entities/${one.id}/merge`, { body: { into: other.id } });
      },
      ['graph.merge'],
    ],
    [
      'importing facts',
      async () => () =>
        ada.call('POST', '/graph/import?format=jsonl', {
          body: { type: 'entity', name: marked(), entityType: marked(), observations: [marked()] },
        }),
      ['graph.import'],
    ],
    ['searching', async () => () => ada.call('GET', `/graph/search?q=${marked()}`), ['graph.read']],
    ['exporting facts', async () => () => ada.call('GET', '/graph/export'), ['graph.read']],
    ['forgetting everything of oneself', async () => () => ada.call('DELETE', '/graph/me'), ['graph.forget']],
    ['erasing a user', async () => () => root.call('DELETE', `/users/${linus.id}`), ['user.erase']],
    [
      'retiring a root key',
      async () => {
        const root_key_id = keyFile.add();
        await app.app.keys.reload();
        return () => root.call('POST', '/admin/keys/retire', { body: { root_key_id } });
      },
      ['key.retire'],
    ],
    ['reloading the root keys', async () => () => root.call('POST', '/admin/keys/reload'), ['key.reload']],
    [
      'rotating the root key',
      async () => () => root.call('POST', '/admin/keys/rotate-root'),
      // It is added and promoted.
      ['key.rotate_root', 'key.rotate_root', 'job.start', 'key.rewrap'],
    ],
    [
      'rewrapping',
      async () => {
        // One that is under way would be answered with instead.
        const unfinished = async () =>
          expectStatus(await root.call('GET', '/admin/jobs'), 200).body.jobs.filter(
            ({ kind, state }: any) => kind === 'rewrap' && ['queued', 'running'].includes(state),
          );
        await expect.poll(unfinished, { timeout: 60_000 }).toEqual([]);
        return () => root.call('POST', '/admin/keys/rewrap');
      },
      ['job.start', 'key.rewrap'],
    ],
    [
      're-encrypting',
      async () => () => root.call('POST', '/admin/keys/reencrypt', { body: { user_id: grace.id } }),
      ['job.start', 'key.reencrypt'],
    ],
    [
      'rotating the seal key',
      async () => () => root.call('POST', '/admin/keys/rotate-seal'),
      ['job.start', 'key.rotate_seal'],
    ],
  ];
  it.each(allowed)('%s leaves one record of it', async (_what, prepare, actions) => {
    const send = await prepare();
    const { answer, records } = await withRecords(app, send);
    expect(answer.status, answer.text).toBeLessThan(300);
    // A job ends when it ends.
    const ofRequest = records.filter(({ action }) => action !== 'job.finish');
    expect(ofRequest.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
      actions.map((action) => `${action} allowed`),
    );
  });

  // Last: it looks through everything that the others left.
  it('no record of a change has six characters in a row of a text that was sent', async () => {
    expect(await foundInRecords(app)).toEqual([]);
  });
});
