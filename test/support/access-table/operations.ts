import type { Permission } from '../../../src/core/permissions.ts';
import { outcomeOf, type Question, type Reply } from './asking.ts';

/** The secret that is asked about: one that is there, or one that never was. */
export interface Target {
  readonly id: string;
  readonly name: string;
  readonly value: string;
  /** The state by which its owner finds it in a list. */
  readonly listedAs: 'live' | 'inactive' | 'expired' | 'deleted';
}

export interface Around {
  /** Another user, whom nothing was ever shared with. */
  readonly newcomer: string;
  readonly grantee: string;
  /** The session in which owner, participant and grantee are, and no secret of the table. */
  readonly elsewhere: string;
}

export interface Operation {
  /** As the OpenAPI file names it. */
  readonly route: string;
  /** The one permission that a token needs for it, and that suffices. */
  readonly needs: Permission;
  question(target: Target, around: Around): Question;
  /** `ok` when the answer is the whole and right one for an allowed caller; else what came instead. */
  outcome(reply: Reply, target: Target, around: Around): string;
  /** True for what leaves the secret other than it was: each allowed caller then has a secret of their own. */
  readonly changes?: true;
  /** What the secret needs to have before. */
  readonly before?: 'a second version';
  /** For whom it succeeds in the end, where no caller of the table may; the owner where nothing is said. */
  readonly twin?: 'grantee';
  /** True where it can never succeed while the secret is a session's. */
  readonly outOfSession?: true;
}

const base = '/api/v1';
const of = (target: Target, rest = ''): string => `${base}/secrets/${target.id}${rest}`;

/** An answer of this status that `right` finds to be the true one. */
const answering =
  (status: number, right: (body: any, target: Target, around: Around) => boolean) =>
  (reply: Reply, target: Target, around: Around): string => {
    if (reply.status !== status) return outcomeOf(reply);
    return right(reply.body, target, around) ? 'ok' : `${status} with a wrong answer: ${reply.text}`;
  };

const nothingMore = (): boolean => true;
const isIt = (body: any, { id }: Target): boolean => body.id === id && body.value === undefined;
const isValue = (body: any, { id, name, value }: Target): boolean =>
  body.id === id && body.name === name && body.value === value;

/** A request for several is answered 200; what the one asked for came to is in its item. */
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
  if (ids.length === 0) return '200 unseen';
  return ids.length === 1 && ids[0] === id ? 'ok' : `wrong list: ${reply.text}`;
};

const looking = {
  list: {
    route: 'GET /api/v1/secrets',
    needs: 'secrets:list',
    question: ({ name, listedAs }) => ({ method: 'GET', path: `${base}/secrets?state=${listedAs}&q=${name}` }),
    outcome: listOutcome,
  },
  get: {
    route: 'GET /api/v1/secrets/{id}',
    needs: 'secrets:list',
    question: (target) => ({ method: 'GET', path: of(target) }),
    outcome: answering(200, isIt),
  },
  reveal: {
    route: 'GET /api/v1/secrets/{id}/value',
    needs: 'secrets:reveal',
    question: (target) => ({ method: 'GET', path: of(target, '/value') }),
    outcome: answering(200, isValue),
  },
  'reveal by id': {
    route: 'POST /api/v1/secrets/reveal',
    needs: 'secrets:reveal',
    question: ({ id }) => ({ method: 'POST', path: `${base}/secrets/reveal`, body: { ids: [id] } }),
    outcome: itemOutcome,
  },
  'reveal by name': {
    route: 'POST /api/v1/secrets/reveal',
    needs: 'secrets:reveal',
    question: ({ name }) => ({ method: 'POST', path: `${base}/secrets/reveal`, body: { names: [name] } }),
    outcome: itemOutcome,
    outOfSession: true,
  },
  access: {
    route: 'GET /api/v1/secrets/{id}/access',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'GET', path: of(target, '/access') }),
    outcome: answering(200, (body) => body.access[0].because === 'owner'),
  },
  versions: {
    route: 'GET /api/v1/secrets/{id}/versions',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'GET', path: of(target, '/versions') }),
    outcome: answering(200, (body) => body.versions[0].version === 1 && body.versions.length === 1),
  },
} as const satisfies Record<string, Operation>;

const writing = {
  patch: {
    route: 'PATCH /api/v1/secrets/{id}',
    needs: 'secrets:write',
    question: (target) => ({ method: 'PATCH', path: of(target), body: { description: 'changed' } }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.description === 'changed'),
    changes: true,
  },
  'set value': {
    route: 'PUT /api/v1/secrets/{id}/value',
    needs: 'secrets:write',
    question: (target) => ({ method: 'PUT', path: of(target, '/value'), body: { value: 'a new value' } }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.version === 2),
    changes: true,
  },
  restore: {
    route: 'POST /api/v1/secrets/{id}/versions/{v}/restore',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'POST', path: of(target, '/versions/1/restore') }),
    outcome: answering(201, (body, target) => isIt(body, target) && body.version === 3),
    before: 'a second version',
    changes: true,
  },
  share: {
    route: 'POST /api/v1/secrets/{id}/share',
    needs: 'secrets:share',
    question: (target, { newcomer }) => ({ method: 'POST', path: of(target, '/share'), body: { user_id: newcomer } }),
    outcome: answering(200, (body, _target, { newcomer }) => body.shared_with.includes(newcomer)),
    changes: true,
    outOfSession: true,
  },
  unshare: {
    route: 'POST /api/v1/secrets/{id}/unshare',
    needs: 'secrets:share',
    question: (target, { grantee }) => ({ method: 'POST', path: of(target, '/unshare'), body: { user_id: grantee } }),
    outcome: answering(200, (body, _target, { grantee }) => !body.shared_with.includes(grantee)),
    changes: true,
  },
  'take oneself off': {
    route: 'DELETE /api/v1/secrets/{id}/share/me',
    needs: 'secrets:share',
    question: (target) => ({ method: 'DELETE', path: of(target, '/share/me') }),
    outcome: answering(204, nothingMore),
    changes: true,
    twin: 'grantee',
    outOfSession: true,
  },
} as const satisfies Record<string, Operation>;

const managing = {
  activate: {
    route: 'POST /api/v1/secrets/{id}/activate',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'POST', path: of(target, '/activate') }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.is_active === true),
    changes: true,
  },
  deactivate: {
    route: 'POST /api/v1/secrets/{id}/deactivate',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'POST', path: of(target, '/deactivate') }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.is_active === false),
    changes: true,
  },
  recover: {
    route: 'POST /api/v1/secrets/{id}/recover',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'POST', path: of(target, '/recover') }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.deleted_at === null),
    changes: true,
  },
  'transfer to user': {
    route: 'POST /api/v1/secrets/{id}/transfer',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'POST', path: of(target, '/transfer'), body: { scope: 'user' } }),
    outcome: answering(200, (body, target) => isIt(body, target) && body.scope === 'user'),
    changes: true,
  },
  'transfer into a session': {
    route: 'POST /api/v1/secrets/{id}/transfer',
    needs: 'secrets:manage',
    question: (target, { elsewhere }) => ({
      method: 'POST',
      path: of(target, '/transfer'),
      body: { scope: 'session', session_id: elsewhere },
    }),
    outcome: answering(200, (body, target, { elsewhere }) => isIt(body, target) && body.session_id === elsewhere),
    changes: true,
  },
  delete: {
    route: 'DELETE /api/v1/secrets/{id}',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'DELETE', path: of(target) }),
    outcome: answering(204, nothingMore),
    changes: true,
  },
  purge: {
    route: 'DELETE /api/v1/secrets/{id}',
    needs: 'secrets:manage',
    question: (target) => ({ method: 'DELETE', path: of(target, '?purge=true') }),
    outcome: answering(204, nothingMore),
    changes: true,
  },
} as const satisfies Record<string, Operation>;

/** Everything that can be done with one secret, by the name that the table gives it. */
export const operations = { ...looking, ...writing, ...managing } as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof operations;
export const operationNames = Object.keys(operations) as OperationName[];
export const lookingNames = Object.keys(looking) as OperationName[];
export const writingNames = Object.keys(writing) as OperationName[];
export const managingNames = Object.keys(managing) as OperationName[];
export const operationOf = (name: OperationName): Operation => operations[name];
