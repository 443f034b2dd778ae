import type { Permission } from '../../../src/core/permissions.ts';
import { deafHook, type TestApp } from '../app.ts';
import { storeJob } from '../jobs.ts';
import { expectStatus, keepSecret, logIn, type Person, password, startSession } from '../people.ts';
import type { RootKeyFile } from '../root-key-file.ts';
import { storeAs } from '../stored-rows.ts';
import { graphRequests } from './graph-requests.ts';
import { cell, grid } from './grid.ts';
import type { Credentials, TableRequest } from './requests.ts';

export const callerKinds = ['no token', 'member', 'auditor', 'admin', 'other token', 'bound token'] as const;
export type Kind = (typeof callerKinds)[number];

/**
 * The outcome of every route that is not about a secret, by the kind of caller. *other token* is a member's token without
 * the permissions that the route needs; *bound token* is a member's token for one session with every permission but
 * secrets:own. Text in brackets distinguishes two uses of one route.
 */
const table = grid(`
operation                                             | no token            | member                 | auditor                | admin | other token            | bound token
GET /healthz                                          | 200                 | 200                    | 200                    | 200   | 200                    | 200
GET /readyz                                           | 200                 | 200                    | 200                    | 200   | 200                    | 200
GET /.well-known/jwks.json                            | 200                 | 200                    | 200                    | 200   | 200                    | 200
GET /metrics                                          | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/auth/login                               | 200                 | 200                    | 200                    | 200   | 200                    | 200
POST /api/v1/auth/refresh                             | 200                 | 200                    | 200                    | 200   | 200                    | 200
POST /api/v1/auth/logout                              | 401 unauthenticated | 204                    | 204                    | 204   | 204                    | 204
GET /api/v1/auth/logins                               | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/auth/logins/{id}                       | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 403 permission_missing
GET /api/v1/auth/me                                   | 401 unauthenticated | 200                    | 200                    | 200   | 200                    | 200
POST /api/v1/auth/tokens                              | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 403 permission_missing
GET /api/v1/auth/tokens                               | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/auth/tokens/{id}                       | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 403 permission_missing
POST /api/v1/users                                    | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 201   | 403 permission_missing | 403 permission_missing
GET /api/v1/users                                     | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/users/{id}                                | 401 unauthenticated | 200                    | 200                    | 200   | 200                    | 200
PATCH /api/v1/users/{id} (one’s own name)             | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
PATCH /api/v1/users/{id} (another’s status)           | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/users/{id} (oneself)                   | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/users/{id} (another)                   | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/users/{id}/erasure (oneself)              | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/users/{id}/erasure (another)              | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/users/{id}/password (one’s own)          | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/users/{id}/password (another’s)          | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/users/{id}/password/cancel (one’s own)   | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/users/{id}/password/cancel (another’s)   | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/sessions                                  | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/sessions                                 | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 403 permission_missing
GET /api/v1/sessions/{id}                             | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
PATCH /api/v1/sessions/{id}                           | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/sessions/{id}/cleanup                     | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/sessions/{id}/participants               | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 201
DELETE /api/v1/sessions/{id}/participants/{user_id}   | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 204
POST /api/v1/sessions/{id}/join                       | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/sessions/{id}/end                        | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/notices                                   | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/notices/read                             | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 403 permission_missing
GET /api/v1/events                                    | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/users/{id}/handover                      | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 201   | 403 permission_missing | 403 permission_missing
GET /api/v1/handovers                                 | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/handovers/{id}/accept                    | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/handovers/{id}/cancel                    | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/webhooks                                 | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 403 permission_missing
POST /api/v1/webhooks (of the service)                | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 201   | 403 permission_missing | 403 permission_missing
GET /api/v1/webhooks                                  | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/webhooks/{id}                             | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/webhooks/{id} (of the service)            | 401 unauthenticated | 404 not_found          | 404 not_found          | 200   | 403 permission_missing | 403 permission_missing
PATCH /api/v1/webhooks/{id}                           | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/webhooks/{id}                          | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 403 permission_missing
POST /api/v1/webhooks/{id}/rotate-secret              | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/webhooks/{id}/test                       | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/webhooks/{id}/deliveries                  | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/graph/types                               | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/users                              | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/sessions                           | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/secrets                            | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/users/{id}/sessions                 | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/users/{id}/secrets                  | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph                                     | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/entities                           | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 201
GET /api/v1/graph/entities                            | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/entities/{id}                       | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
PATCH /api/v1/graph/entities/{id}                     | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
DELETE /api/v1/graph/entities/{id}                    | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 204
POST /api/v1/graph/entities/{id}/merge                | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/entities/{id}/neighbourhood         | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/observations                       | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 201
DELETE /api/v1/graph/observations                     | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
PATCH /api/v1/graph/observations/{id}                 | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/relations                          | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 201
DELETE /api/v1/graph/relations                        | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
PATCH /api/v1/graph/relations/{id}                    | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/search                              | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/path                                | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/activities                         | 401 unauthenticated | 201                    | 201                    | 201   | 403 permission_missing | 201
GET /api/v1/graph/activities                          | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
GET /api/v1/graph/export                              | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
POST /api/v1/graph/import                             | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
DELETE /api/v1/graph/me                               | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/admin/jobs                                | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/admin/jobs/{id}                           | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/admin/jobs/{id}                        | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
GET /api/v1/admin/keys                                | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/admin/keys/reload                        | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/admin/keys/rotate-root                   | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/admin/keys/retire                        | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/admin/keys/rewrap                        | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/admin/keys/reencrypt                     | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
POST /api/v1/admin/keys/rotate-seal                   | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 200   | 403 permission_missing | 403 permission_missing
`);

export const otherOperations = table.map((line) => cell(line, 'operation'));
export const otherRoutes = otherOperations.map((operation) => operation.replace(/ \(.*\)$/, ''));

export const expectedOf = (operation: string, kind: Kind): string => {
  const line = table.find((one) => cell(one, 'operation') === operation);
  if (!line) throw new Error(`the table of routes has no line for ${operation}`);
  return cell(line, kind);
};

/** The table's line for an operation, for the message of a test that fails. */
export const lineOf = (operation: string): string =>
  table.find((one) => cell(one, 'operation') === operation)?.text ?? '';

export interface Fixture {
  readonly app: TestApp;
  /** The file of the service's root keys. */
  readonly keyFile: RootKeyFile;
  readonly root: Person;
  /** A new user of this kind. */
  newUser(kind: Kind): Promise<Person>;
  /** A user of each kind, for the routes that leave the caller's credential valid. */
  readonly users: Readonly<Record<Kind, Person>>;
}

let made = 0;
const roleOf = (kind: Kind): string => (kind === 'admin' ? kind : 'member');

export const createFixture = async (app: TestApp, keyFile: RootKeyFile, root: Person): Promise<Fixture> => {
  const newUser = async (kind: Kind): Promise<Person> => {
    made += 1;
    const body = { username: `user-${made}`, password, role: roleOf(kind) };
    const { id } = expectStatus(await root.call('POST', '/users', { body }), 201).body;
    // No route gives this role any more; users of earlier versions have it.
    if (kind === 'auditor') await storeAs(app, 'users', id, { role: 'auditor' });
    return await logIn(app, body.username);
  };
  const users = {} as Record<Kind, Person>;
  for (const kind of callerKinds) users[kind] = await newUser(kind);
  return { app, keyFile, root, newUser, users };
};

/** What a request is about: the caller, a session of theirs, and another user. */
export interface RequestContext {
  readonly self: Person;
  readonly session: string;
  other(): Promise<Person>;
  readonly fixture: Fixture;
}

const json = (method: string, path: string, body?: unknown): TableRequest => ({ method, path, body });
const api = (method: string, path: string, body?: unknown): TableRequest => json(method, `/api/v1${path}`, body);

/** Resets a password. The clock moves on first, so that earlier logins are earlier, and can cancel the reset. */
const reset = async ({ fixture }: RequestContext, who: Person): Promise<void> => {
  fixture.app.clock.advance(1);
  const body = { new_password: 'a password that was reset' };
  expectStatus(await fixture.root.call('POST', `/users/${who.id}/password`, { body }), 200);
};

const aToken = { name: 'a token', permissions: ['secrets:use'], expires_in: 60 };

/** A hand-over of a new secret of somebody else to the caller; its id. */
const offeredTo = async ({ self, other }: RequestContext): Promise<string> => {
  const giver = await other();
  const { id } = await keepSecret(giver);
  return expectStatus(await giver.call('POST', `/secrets/${id}/handover`, { body: { to: self.id } }), 201).body.id;
};
const webhookOf = async (who: Person, more: object = {}): Promise<string> =>
  expectStatus(await who.call('POST', '/webhooks', { body: { url: deafHook, ...more } }), 201).body.id;

const requests: Readonly<Record<string, (context: RequestContext) => TableRequest | Promise<TableRequest>>> = {
  'GET /healthz': () => json('GET', '/healthz'),
  'GET /readyz': () => json('GET', '/readyz'),
  'GET /.well-known/jwks.json': () => json('GET', '/.well-known/jwks.json'),
  'GET /metrics': () => json('GET', '/metrics'),
  'POST /api/v1/auth/login': ({ self: { username } }) => api('POST', '/auth/login', { username, password }),
  'POST /api/v1/auth/refresh': async ({ self, fixture }) =>
    api('POST', '/auth/refresh', { refresh_token: (await logIn(fixture.app, self.username)).refreshToken }),
  'POST /api/v1/auth/logout': () => api('POST', '/auth/logout'),
  'GET /api/v1/auth/logins': () => api('GET', '/auth/logins'),
  'DELETE /api/v1/auth/logins/{id}': async ({ self }) =>
    api('DELETE', `/auth/logins/${expectStatus(await self.call('GET', '/auth/logins'), 200).body.logins[0].id}`),
  'GET /api/v1/auth/me': () => api('GET', '/auth/me'),
  'POST /api/v1/auth/tokens': () => api('POST', '/auth/tokens', aToken),
  'GET /api/v1/auth/tokens': () => api('GET', '/auth/tokens'),
  'DELETE /api/v1/auth/tokens/{id}': async ({ self }) =>
    api(
      'DELETE',
      `/auth/tokens/${expectStatus(await self.call('POST', '/auth/tokens', { body: aToken }), 201).body.id}`,
    ),
  'POST /api/v1/users': ({ session }) => api('POST', '/users', { username: `made-${session}` }),
  'GET /api/v1/users': () => api('GET', '/users?q=user-1'),
  'GET /api/v1/users/{id}': ({ fixture }) => api('GET', `/users/${fixture.root.id}`),
  'PATCH /api/v1/users/{id} (one’s own name)': ({ self }) =>
    api('PATCH', `/users/${self.id}`, { display_name: 'Ada Lovelace' }),
  'PATCH /api/v1/users/{id} (another’s status)': async ({ other }) =>
    api('PATCH', `/users/${(await other()).id}`, { status: 'disabled' }),
  'DELETE /api/v1/users/{id} (oneself)': ({ self }) => api('DELETE', `/users/${self.id}`),
  'DELETE /api/v1/users/{id} (another)': async ({ other }) => api('DELETE', `/users/${(await other()).id}`),
  'GET /api/v1/users/{id}/erasure (oneself)': ({ self }) => api('GET', `/users/${self.id}/erasure`),
  'GET /api/v1/users/{id}/erasure (another)': async ({ other }) => api('GET', `/users/${(await other()).id}/erasure`),
  'POST /api/v1/users/{id}/password (one’s own)': ({ self }) =>
    api('POST', `/users/${self.id}/password`, { current_password: password, new_password: 'another password' }),
  'POST /api/v1/users/{id}/password (another’s)': async ({ other }) =>
    api('POST', `/users/${(await other()).id}/password`, { new_password: 'another password' }),
  'POST /api/v1/users/{id}/password/cancel (one’s own)': async (context) => {
    await reset(context, context.self);
    return api('POST', `/users/${context.self.id}/password/cancel`);
  },
  'POST /api/v1/users/{id}/password/cancel (another’s)': async (context) => {
    const other = await context.other();
    await reset(context, other);
    return api('POST', `/users/${other.id}/password/cancel`);
  },
  'GET /api/v1/sessions': () => api('GET', '/sessions'),
  'POST /api/v1/sessions': () => api('POST', '/sessions', {}),
  'GET /api/v1/sessions/{id}': ({ session }) => api('GET', `/sessions/${session}`),
  'PATCH /api/v1/sessions/{id}': ({ session }) => api('PATCH', `/sessions/${session}`, { title: 'A title' }),
  'GET /api/v1/sessions/{id}/cleanup': ({ session }) => api('GET', `/sessions/${session}/cleanup`),
  'POST /api/v1/sessions/{id}/participants': ({ session, fixture }) =>
    api('POST', `/sessions/${session}/participants`, { user_id: fixture.root.id }),
  'DELETE /api/v1/sessions/{id}/participants/{user_id}': ({ session, fixture }) =>
    api('DELETE', `/sessions/${session}/participants/${fixture.root.id}`),
  'POST /api/v1/sessions/{id}/join': ({ session }) => api('POST', `/sessions/${session}/join`),
  'POST /api/v1/sessions/{id}/end': ({ session }) => api('POST', `/sessions/${session}/end`),
  'GET /api/v1/notices': () => api('GET', '/notices'),
  'POST /api/v1/notices/read': () => api('POST', '/notices/read', {}),
  'GET /api/v1/events': () => api('GET', '/events'),
  'POST /api/v1/users/{id}/handover': async (context) => {
    const { id } = await context.other();
    expectStatus(await context.fixture.root.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } }), 200);
    return api('POST', `/users/${id}/handover`, { to: context.self.id });
  },
  'GET /api/v1/handovers': () => api('GET', '/handovers'),
  'POST /api/v1/handovers/{id}/accept': async (context) => api('POST', `/handovers/${await offeredTo(context)}/accept`),
  'POST /api/v1/handovers/{id}/cancel': async (context) => api('POST', `/handovers/${await offeredTo(context)}/cancel`),
  'POST /api/v1/webhooks': () => api('POST', '/webhooks', { url: deafHook }),
  'POST /api/v1/webhooks (of the service)': () => api('POST', '/webhooks', { url: deafHook, service: true }),
  'GET /api/v1/webhooks': () => api('GET', '/webhooks'),
  'GET /api/v1/webhooks/{id}': async ({ self }) => api('GET', `/webhooks/${await webhookOf(self)}`),
  'GET /api/v1/webhooks/{id} (of the service)': async ({ fixture: { root } }) =>
    api('GET', `/webhooks/${await webhookOf(root, { service: true })}`),
  'PATCH /api/v1/webhooks/{id}': async ({ self }) =>
    api('PATCH', `/webhooks/${await webhookOf(self)}`, { state: 'off' }),
  'DELETE /api/v1/webhooks/{id}': async ({ self }) => api('DELETE', `/webhooks/${await webhookOf(self)}`),
  'POST /api/v1/webhooks/{id}/rotate-secret': async ({ self }) =>
    api('POST', `/webhooks/${await webhookOf(self)}/rotate-secret`, {}),
  'POST /api/v1/webhooks/{id}/test': async ({ self }) => api('POST', `/webhooks/${await webhookOf(self)}/test`),
  'GET /api/v1/webhooks/{id}/deliveries': async ({ self }) =>
    api('GET', `/webhooks/${await webhookOf(self)}/deliveries`),
  'POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver': async ({ self }) => {
    const at = `/webhooks/${await webhookOf(self)}`;
    const { id } = expectStatus(await self.call('POST', `${at}/test`), 200).body;
    return api('POST', `${at}/deliveries/${id}/redeliver`);
  },
  ...graphRequests,
  'GET /api/v1/admin/jobs': () => api('GET', '/admin/jobs'),
  'GET /api/v1/admin/jobs/{id}': async ({ fixture }) => api('GET', `/admin/jobs/${await storeJob(fixture.app)}`),
  'DELETE /api/v1/admin/jobs/{id}': async ({ fixture }) => api('DELETE', `/admin/jobs/${await storeJob(fixture.app)}`),
  'GET /api/v1/admin/keys': () => api('GET', '/admin/keys'),
  'POST /api/v1/admin/keys/reload': () => api('POST', '/admin/keys/reload'),
  'POST /api/v1/admin/keys/rotate-root': () => api('POST', '/admin/keys/rotate-root'),
  'POST /api/v1/admin/keys/retire': async ({ fixture }) => {
    const root_key_id = fixture.keyFile.add();
    await fixture.app.app.keys.reload();
    return api('POST', '/admin/keys/retire', { root_key_id });
  },
  'POST /api/v1/admin/keys/rewrap': () => api('POST', '/admin/keys/rewrap'),
  'POST /api/v1/admin/keys/reencrypt': ({ self }) => api('POST', '/admin/keys/reencrypt', { user_id: self.id }),
  'POST /api/v1/admin/keys/rotate-seal': () => api('POST', '/admin/keys/rotate-seal'),
};

/** These operations end the caller's credential, so that each caller is a new user. */
const endsItsCredential = /logout|logins\/\{id\}|oneself|one’s own\)$/;

const boundPermissions: readonly Permission[] = [
  'secrets:list',
  'secrets:reveal',
  'secrets:use',
  'secrets:write',
  'secrets:share',
  'secrets:manage',
  'sessions:read',
  'sessions:write',
  'graph:read',
  'graph:write',
  'events:read',
  'webhooks:manage',
];

const tokenOf = async (kind: Kind, self: Person, session: string): Promise<string | undefined> => {
  if (kind === 'no token') return undefined;
  if (kind !== 'other token' && kind !== 'bound token') return self.token;
  const body =
    kind === 'bound token'
      ? { name: 'bound', permissions: boundPermissions, session_id: session, expires_in: 3600 }
      : { name: 'other', permissions: ['secrets:use'], expires_in: 3600 };
  return expectStatus(await self.call('POST', '/auth/tokens', { body }), 201).body.token;
};

/** Makes the request of one cell, and its credentials. */
export const prepare = async (
  fixture: Fixture,
  operation: string,
  kind: Kind,
): Promise<{ readonly request: TableRequest; readonly credentials: Credentials }> => {
  const request = requests[operation];
  if (!request) throw new Error(`there is no request for ${operation}`);
  const self = endsItsCredential.test(operation) ? await fixture.newUser(kind) : fixture.users[kind];
  const session = (await startSession(self)).id;
  const token = await tokenOf(kind, self, session);
  // The service is ready only while its clock agrees with the database's, which does not stand still.
  fixture.app.clock.set(new Date(Math.max(Date.now(), fixture.app.clock.now().getTime())));
  const context: RequestContext = { self, session, fixture, other: () => fixture.newUser('member') };
  return { request: await request(context), credentials: { token } };
};
