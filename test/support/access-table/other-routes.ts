import type { Permission } from '../../../src/core/permissions.ts';
import type { TestApp } from '../app.ts';
import { expectStatus, logIn, type Person, password, startSession } from '../people.ts';
import type { Credentials, Question } from './asking.ts';
import { cell, grid } from './grid.ts';

export const kinds = ['no token', 'member', 'auditor', 'admin', 'other token', 'bound token'] as const;
export type Kind = (typeof kinds)[number];

/**
 * Every route that is not about a secret, by who asks. *other token* is a member's token with none of the permissions
 * that the route is behind; *bound token* a member's with every permission but secrets:own, bound to a session of theirs.
 * What stands in brackets tells two uses of one route apart.
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
DELETE /api/v1/users/{id} (oneself)                   | 401 unauthenticated | 204                    | 204                    | 204   | 403 permission_missing | 403 permission_missing
DELETE /api/v1/users/{id} (another)                   | 401 unauthenticated | 403 permission_missing | 403 permission_missing | 204   | 403 permission_missing | 403 permission_missing
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
POST /api/v1/sessions/{id}/end                        | 401 unauthenticated | 200                    | 200                    | 200   | 403 permission_missing | 200
`);

export const otherOperations = table.map((line) => cell(line, 'operation'));
export const otherRoutes = otherOperations.map((operation) => operation.replace(/ \(.*\)$/, ''));

export const expectedOf = (operation: string, kind: Kind): string => {
  const line = table.find((one) => one['operation'] === operation);
  if (!line) throw new Error(`the table does not say what becomes of ${operation}`);
  return cell(line, kind);
};

export interface Stage {
  readonly app: TestApp;
  readonly root: Person;
  /** A user of this kind whom nothing happened to yet. */
  newcomer(kind: Kind): Promise<Person>;
  /** Somebody of this kind who stays. */
  readonly regulars: Readonly<Record<Kind, Person>>;
}

let made = 0;
const roleOf = (kind: Kind): string => (kind === 'auditor' || kind === 'admin' ? kind : 'member');

export const setStage = async (app: TestApp, root: Person): Promise<Stage> => {
  const newcomer = async (kind: Kind): Promise<Person> => {
    made += 1;
    const body = { username: `newcomer-${made}`, password, role: roleOf(kind) };
    expectStatus(await root.call('POST', '/users', { body }), 201);
    return await logIn(app, body.username);
  };
  const regulars = {} as Record<Kind, Person>;
  for (const kind of kinds) regulars[kind] = await newcomer(kind);
  return { app, root, newcomer, regulars };
};

/** What the question is about: things of the asker's own, and somebody else. */
interface Props {
  readonly self: Person;
  readonly session: string;
  other(): Promise<Person>;
  readonly stage: Stage;
}

const json = (method: string, path: string, body?: unknown): Question => ({ method, path, body });
const api = (method: string, path: string, body?: unknown): Question => json(method, `/api/v1${path}`, body);

/** After the logins that are there: those go on, and can call it off. */
const reset = async ({ stage }: Props, who: Person): Promise<void> => {
  stage.app.clock.advance(1);
  const body = { new_password: 'a password that was reset' };
  expectStatus(await stage.root.call('POST', `/users/${who.id}/password`, { body }), 200);
};

const aToken = { name: 'a token', permissions: ['graph:read'], expires_in: 60 };

const questions: Readonly<Record<string, (props: Props) => Question | Promise<Question>>> = {
  'GET /healthz': () => json('GET', '/healthz'),
  'GET /readyz': () => json('GET', '/readyz'),
  'GET /.well-known/jwks.json': () => json('GET', '/.well-known/jwks.json'),
  'GET /metrics': () => json('GET', '/metrics'),
  'POST /api/v1/auth/login': ({ self: { username } }) => api('POST', '/auth/login', { username, password }),
  'POST /api/v1/auth/refresh': async ({ self, stage }) =>
    api('POST', '/auth/refresh', { refresh_token: (await logIn(stage.app, self.username)).refreshToken }),
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
  'GET /api/v1/users': () => api('GET', '/users?q=newcomer-1'),
  'GET /api/v1/users/{id}': ({ stage }) => api('GET', `/users/${stage.root.id}`),
  'PATCH /api/v1/users/{id} (one’s own name)': ({ self }) =>
    api('PATCH', `/users/${self.id}`, { display_name: 'Ada Lovelace' }),
  'PATCH /api/v1/users/{id} (another’s status)': async ({ other }) =>
    api('PATCH', `/users/${(await other()).id}`, { status: 'disabled' }),
  'DELETE /api/v1/users/{id} (oneself)': ({ self }) => api('DELETE', `/users/${self.id}`),
  'DELETE /api/v1/users/{id} (another)': async ({ other }) => api('DELETE', `/users/${(await other()).id}`),
  'POST /api/v1/users/{id}/password (one’s own)': ({ self }) =>
    api('POST', `/users/${self.id}/password`, { current_password: password, new_password: 'another password' }),
  'POST /api/v1/users/{id}/password (another’s)': async ({ other }) =>
    api('POST', `/users/${(await other()).id}/password`, { new_password: 'another password' }),
  'POST /api/v1/users/{id}/password/cancel (one’s own)': async (props) => {
    await reset(props, props.self);
    return api('POST', `/users/${props.self.id}/password/cancel`);
  },
  'POST /api/v1/users/{id}/password/cancel (another’s)': async (props) => {
    const other = await props.other();
    await reset(props, other);
    return api('POST', `/users/${other.id}/password/cancel`);
  },
  'GET /api/v1/sessions': () => api('GET', '/sessions'),
  'POST /api/v1/sessions': () => api('POST', '/sessions', {}),
  'GET /api/v1/sessions/{id}': ({ session }) => api('GET', `/sessions/${session}`),
  'PATCH /api/v1/sessions/{id}': ({ session }) => api('PATCH', `/sessions/${session}`, { title: 'A title' }),
  'GET /api/v1/sessions/{id}/cleanup': ({ session }) => api('GET', `/sessions/${session}/cleanup`),
  'POST /api/v1/sessions/{id}/participants': ({ session, stage }) =>
    api('POST', `/sessions/${session}/participants`, { user_id: stage.root.id }),
  'DELETE /api/v1/sessions/{id}/participants/{user_id}': ({ session, stage }) =>
    api('DELETE', `/sessions/${session}/participants/${stage.root.id}`),
  'POST /api/v1/sessions/{id}/end': ({ session }) => api('POST', `/sessions/${session}/end`),
};

/** These take away what their asker is known by, so each asker is a new one. */
const spends = /logout|logins\/\{id\}|oneself|one’s own\)$/;

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
  'audit:read',
];

const tokenOf = async (kind: Kind, self: Person, session: string): Promise<string | undefined> => {
  if (kind === 'no token') return undefined;
  if (kind !== 'other token' && kind !== 'bound token') return self.token;
  const body =
    kind === 'bound token'
      ? { name: 'bound', permissions: boundPermissions, session_id: session, expires_in: 3600 }
      : { name: 'other', permissions: ['graph:read'], expires_in: 3600 };
  return expectStatus(await self.call('POST', '/auth/tokens', { body }), 201).body.token;
};

/** One cell made ready: what is asked, and by what. */
export const prepare = async (
  stage: Stage,
  operation: string,
  kind: Kind,
): Promise<{ readonly question: Question; readonly credentials: Credentials }> => {
  const question = questions[operation];
  if (!question) throw new Error(`nobody knows how to ask ${operation}`);
  const self = spends.test(operation) ? await stage.newcomer(kind) : stage.regulars[kind];
  const session = (await startSession(self)).id;
  const token = await tokenOf(kind, self, session);
  // The service is ready only while its clock is the database's: this one goes with the time of day.
  stage.app.clock.set(new Date(Math.max(Date.now(), stage.app.clock.now().getTime())));
  const props: Props = { self, session, stage, other: () => stage.newcomer('member') };
  return { question: await question(props), credentials: { token } };
};
