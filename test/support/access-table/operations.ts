import type { Permission } from '../../../src/core/permissions.ts';
import { outcomeOf, type Reply, type TableRequest } from './requests.ts';

/** The secret that a request is about: one that exists, or one that never did. */
export interface Target {
  readonly id: string;
  readonly name: string;
  readonly value: string;
  /** The state by which its owner can list it. */
  readonly listedAs: 'live' | 'inactive' | 'expired' | 'deleted';
}

/** Users and a session that a request names besides the secret. */
export interface OtherIds {
  /** A user with whom nothing was ever shared. */
  readonly newcomer: string;
  readonly grantee: string;
  /** A session with the owner, the participant and the grantee in it, and no secret. */
  readonly elsewhere: string;
}

export interface Operation {
  /** As the OpenAPI file names it. */
  readonly route: string;
  /** The one permission that it needs. */
  readonly needs: Permission;
  request(target: Target, others: OtherIds): TableRequest;
  /** `ok` where the answer is the right one for an allowed caller; otherwise what came instead. */
  outcome(reply: Reply, target: Target, others: OtherIds): string;
  /** True where it changes the secret: each allowed caller then gets a secret of their own. */
  readonly changes?: true;
  /** What the secret must have before. */
  readonly before?: 'a second version';
  /** Who can do it at all, where no caller is allowed in a condition: the owner where nothing is said. */
  readonly control?: 'grantee';
  /** True where it never succeeds while the secret has session scope. */
  readonly notInSession?: true;
}

const base = '/api/v1';
const of = (target: Target, rest = ''): string => `${base}/secrets/${target.id}${rest}`;

/** `ok` for an answer of this status whose body `right` accepts. */
const answering =
  (status: number, right: (body: any, target: Target, others: OtherIds) => boolean) =>
  (reply: Reply, target: Target, others: OtherIds): string => {
    if (reply.status !== status) return outcomeOf(reply);
    return right(reply.body, target, others) ? 'ok' : `${status} with a wrong answer: ${reply.text}`;
  };

const anyBody = (): boolean => true;
const isIt = (body: any, { id }: Target): boolean => body.id === id && body.value === undefined;
const isValue = (body: any, { id, name, value }: Target): boolean =>
  body.id === id && body.name === name && body.value === value;

/** A reveal of several secrets is answered 200; the outcome for each secret is in its item. */
const itemOutcome = (reply: Reply, target: Target): string => {
  if (reply.status !== 200) return outcomeOf(reply);
  const items: any[] = reply.body.secrets;
  const [item] = items;
  if (items.length !== 1) return `${items.length} items`;
  if (item.problem) return outcomeOf({ status: item.problem.status, body: item.problem });
  return isValue(item, target) ? 'ok' : `wrong item: ${reply.text}`;
};

const listOutcome = (reply: Reply, { id }: Target): string => {
  if (reply.status !== 200) return outcomeOf(reply);
  const ids = reply.body.secrets.map((secret: any) => secret.id);
  if (ids.length === 0) return '200 not listed';
  return ids.length === 1 && ids[0] === id ? 'ok' : `wrong list: ${reply.text}`;
};

const reading = {
  list: {
    route: 'GET /api/v1/secrets',
    needs: 'secrets:list',
    request: ({ name, listedAs }) => ({ method: 'GET', path: `${base}/secrets?state=${listedAs}&q=${name}` }),
    outcome: listOutcome,
  },
  get: {
    route: 'GET /api/v1/secrets/{id}',
    needs: 'secrets:list',
    request: (target) => ({ method: 'GET', path: of(target) }),
    outcome: answering(200, isIt),
  },
  reveal: {
    route: 'GET /api/v1/secrets/{id}/value',
    needs: 'secrets:reveal',
    request: (target) => ({ method: 'GET', path: of(target, '/value') }),
    outcome: answering(200, isValue),
  },
  'reveal by id': {
    route: 'POST /api/v1/secrets/reveal',
    needs: 'secrets:reveal',
    request: ({ id }) => ({ method: 'POST', path: `${base}/secrets/reveal`, body: { ids: [id] } }),
    outcome: itemOutcome,
  },
  'reveal by name': {
    route: 'POST /api/v1/secrets/reveal',
    needs: 'secrets:reveal',
    request: ({ name }) => ({ method: 'POST', path: `${base}/secrets/reveal`, body: { names: [name] } }),
    outcome: itemOutcome,
    notInSession: true,
  },
  access: {
    route: 'GET /api/v1/secrets/{id}/access',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'GET', path: of(target, '/access') }),
    outcome: answering(200, (body) => body.access[0].because === 'owner'),
  },
  versions: {
    route: 'GET /api/v1/secrets/{id}/versions',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'GET', path: of(target, '/versions') }),
    outcome: answering(200, (body) => body.versions[0].version === 1 && body.versions.length === 1),
  },
} as const satisfies Record<string, Operation>;

const writing = {
  patch: {
    route: 'PATCH /api/v1/secrets/{id}',
    needs: 'secrets:write',
    request: (target) => ({ method: 'PATCH', path: of(target), body: { description: 'changed' } }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.description === 'changed'),
    changes: true,
  },
  'set value': {
    route: 'PUT /api/v1/secrets/{id}/value',
    needs: 'secrets:write',
    request: (target) => ({ method: 'PUT', path: of(target, '/value'), body: { value: 'a new value' } }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.version === 2),
    changes: true,
  },
  restore: {
    route: 'POST /api/v1/secrets/{id}/versions/{v}/restore',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'POST', path: of(target, '/versions/1/restore') }),
    outcome: answering(201, (body, target) => isIt(body, target) && body.version === 3),
    before: 'a second version',
    changes: true,
  },
  share: {
    route: 'POST /api/v1/secrets/{id}/share',
    needs: 'secrets:share',
    request: (target, { newcomer }) => ({ method: 'POST', path: of(target, '/share'), body: { user_id: newcomer } }),
    outcome: answering(200, (body, _target, { newcomer }) => body.shared_with.includes(newcomer)),
    changes: true,
    notInSession: true,
  },
  unshare: {
    route: 'POST /api/v1/secrets/{id}/unshare',
    needs: 'secrets:share',
    request: (target, { grantee }) => ({ method: 'POST', path: of(target, '/unshare'), body: { user_id: grantee } }),
    outcome: answering(200, (body, _target, { grantee }) => !body.shared_with.includes(grantee)),
    changes: true,
  },
  'leave share': {
    route: 'DELETE /api/v1/secrets/{id}/share/me',
    needs: 'secrets:share',
    request: (target) => ({ method: 'DELETE', path: of(target, '/share/me') }),
    outcome: answering(204, anyBody),
    changes: true,
    control: 'grantee',
    notInSession: true,
  },
} as const satisfies Record<string, Operation>;

const managing = {
  activate: {
    route: 'POST /api/v1/secrets/{id}/activate',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'POST', path: of(target, '/activate') }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.is_active === true),
    changes: true,
  },
  deactivate: {
    route: 'POST /api/v1/secrets/{id}/deactivate',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'POST', path: of(target, '/deactivate') }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.is_active === false),
    changes: true,
  },
  recover: {
    route: 'POST /api/v1/secrets/{id}/recover',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'POST', path: of(target, '/recover') }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.deleted_at === null),
    changes: true,
  },
  'transfer to user': {
    route: 'POST /api/v1/secrets/{id}/transfer',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'POST', path: of(target, '/transfer'), body: { scope: 'user' } }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.scope === 'user'),
    changes: true,
  },
  'transfer into a session': {
    route: 'POST /api/v1/secrets/{id}/transfer',
    needs: 'secrets:manage',
    request: (target, { elsewhere }) => ({
      method: 'POST',
      path: of(target, '/transfer'),
      body: { scope: 'session', session_id: elsewhere },
    }),
    outcome: answering(200, (body, target, { elsewhere }) => isIt(body, target) && body.session_id === elsewhere),
    changes: true,
  },
  offer: {
    route: 'POST /api/v1/secrets/{id}/handover',
    needs: 'secrets:manage',
    request: (target, { newcomer }) => ({ method: 'POST', path: of(target, '/handover'), body: { to: newcomer } }),
    outcome: answering(201, (body, { id }) => body.secret.id === id && body.state === 'pending'),
    changes: true,
    notInSession: true,
  },
  delete: {
    route: 'DELETE /api/v1/secrets/{id}',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'DELETE', path: of(target) }),
    outcome: answering(204, anyBody),
    changes: true,
  },
  purge: {
    route: 'DELETE /api/v1/secrets/{id}',
    needs: 'secrets:manage',
    request: (target) => ({ method: 'DELETE', path: of(target, '?purge=true') }),
    outcome: answering(204, anyBody),
    changes: true,
  },
} as const satisfies Record<string, Operation>;

/** Everything that can be done with one secret, by its name in the tables. */
export const operations = { ...reading, ...writing, ...managing } as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof operations;
export const operationNames = Object.keys(operations) as OperationName[];
export const readingNames = Object.keys(reading) as OperationName[];
export const writingNames = Object.keys(writing) as OperationName[];
export const managingNames = Object.keys(managing) as OperationName[];
export const operationOf = (name: OperationName): Operation => operations[name];
