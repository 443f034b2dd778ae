import { createIsLinearizable, type Happened as HappenedOf, type Step as StepTo } from './linearizable.ts';

/*
 * What one secret and one session come to, one operation after the other: the sequential meaning of the contract, small
 * enough to be read. Operations that ran at the same time must look as if they had run in some order of it.
 */

export type Name = 'ada' | 'grace' | 'linus';

/** Everything that names nobody in `by` is done by ada, who owns the secret and started the session. */
type Plain =
  | { readonly do: 'share' | 'unshare'; readonly user: 'grace' | 'linus' }
  | { readonly do: 'takeOff'; readonly by: 'grace' | 'linus' }
  | { readonly do: 'toSession' | 'toUser' | 'delete' | 'recover' | 'activate' | 'deactivate' | 'look' }
  | { readonly do: 'put' | 'patch'; readonly text: string }
  | { readonly do: 'leave'; readonly by: 'ada' | 'grace' }
  | { readonly do: 'join'; readonly by: 'ada' | 'grace' }
  | { readonly do: 'create'; readonly by: 'ada' | 'grace'; readonly text: string }
  | { readonly do: 'reveal'; readonly by: Name }
  | { readonly do: 'end' | 'lookAtSession' }
  | { readonly do: 'listOwn'; readonly by: 'ada' | 'grace' };

/** `inside`: the request names the session (X-Session-Id), and is refused unless who asks is in it. */
export type Operation = Plain & { readonly inside?: boolean };

export const whoDoes = (operation: Operation): Name => ('by' in operation ? operation.by : 'ada');

export interface State {
  readonly scope: 'user' | 'session' | 'shared';
  readonly sharedWith: readonly Name[];
  readonly isActive: boolean;
  readonly isDeleted: boolean;
  readonly version: number;
  readonly value: string;
  readonly description: string | null;
  readonly revision: number;
  readonly ended: boolean;
  readonly sessionOwner: Name;
  readonly present: readonly Name[];
  /** Other secrets in the session, as owner and name. */
  readonly created: readonly string[];
}

type Step = StepTo<State>;

const stateConflict = '409 state_conflict';
const notJoined = '403 session_not_joined';
const ownerOnly = '403 owner_only';
const notFound = '404 not_found';

/** The owner's view of the secret as one line, from the model as from an answer. */
export const line = (view: Omit<State, 'ended' | 'sessionOwner' | 'present' | 'created' | 'value'>): string =>
  [
    '200',
    view.scope,
    `[${view.sharedWith.join()}]`,
    view.isActive ? 'active' : 'inactive',
    view.isDeleted ? 'deleted' : 'kept',
    `v${view.version}`,
    `r${view.revision}`,
    String(view.description),
  ].join(' ');

const refused = (state: State, ...answers: string[]): Step => ({ state, answers });

const written = (state: State, changes: Partial<State>, answer?: string): Step => {
  const next = { ...state, ...changes, revision: state.revision + 1 };
  return { state: next, answers: [answer ?? line(next)] };
};

const without = <T>(items: readonly T[], item: T): T[] => items.filter((one) => one !== item);
const including = <T>(items: readonly T[], item: T): readonly T[] => (items.includes(item) ? items : [...items, item]);

const unshared = (state: State, user: Name): Partial<State> => {
  if (state.scope !== 'shared') return {};
  const sharedWith = without(state.sharedWith, user);
  return { sharedWith, scope: sharedWith.length === 0 ? 'user' : 'shared' };
};

const joined = (state: State, user: Name): boolean => !state.ended && state.present.includes(user);

const revealed = (state: State, by: Name, inside: boolean): string => {
  const inForce = state.isActive && !state.isDeleted;
  const value = `200 v${state.version} ${state.value}`;
  if (by === 'ada') return inForce ? value : stateConflict;
  const reached =
    (state.scope === 'shared' && state.sharedWith.includes(by)) ||
    (inside && state.scope === 'session' && state.present.includes('ada'));
  return reached && inForce ? value : notFound;
};

const sessionLine = (state: State): string =>
  `200 ${state.ended ? 'ended' : 'active'} [${[...state.present].sort().join()}]`;

/** An owner who leaves an active session hands it to the other one who is present, or ends it. */
const left = (state: State, by: Name): Step => {
  const present = without(state.present, by);
  if (state.sessionOwner === by && !state.ended) {
    const [next] = present;
    return { state: { ...state, present, ...(next ? { sessionOwner: next } : { ended: true }) }, answers: ['204'] };
  }
  // Who is out already is told so, or that it is done: both are true, and which one is a matter of a moment.
  if (!state.present.includes(by)) return refused(state, '204', notJoined);
  return { state: { ...state, present }, answers: ['204'] };
};

/** What one operation does to the state, and how it is answered. */
const step = (state: State, operation: Operation): Step => {
  if (operation.inside && !joined(state, whoDoes(operation))) return refused(state, notJoined);
  switch (operation.do) {
    case 'share':
      if (state.isDeleted || state.scope === 'session') return refused(state, stateConflict);
      return written(state, { scope: 'shared', sharedWith: including(state.sharedWith, operation.user) });
    case 'unshare':
      return state.isDeleted ? refused(state, stateConflict) : written(state, unshared(state, operation.user));
    case 'takeOff':
      return revealed(state, operation.by, false) === notFound
        ? refused(state, notFound)
        : written(state, unshared(state, operation.by), '204');
    case 'toSession':
      if (state.isDeleted) return refused(state, stateConflict);
      return joined(state, 'ada') ? written(state, { scope: 'session', sharedWith: [] }) : refused(state, notJoined);
    case 'toUser':
      return state.isDeleted ? refused(state, stateConflict) : written(state, { scope: 'user', sharedWith: [] });
    case 'delete':
      return state.isDeleted ? refused(state, '204') : written(state, { isDeleted: true }, '204');
    case 'recover':
      return written(state, { isDeleted: false });
    case 'activate':
      return written(state, { isActive: true });
    case 'deactivate':
      return written(state, { isActive: false });
    case 'put':
      if (state.isDeleted) return refused(state, stateConflict);
      return written(state, { version: state.version + 1, value: operation.text });
    case 'patch':
      return state.isDeleted ? refused(state, stateConflict) : written(state, { description: operation.text });
    case 'look':
      return refused(state, line(state));
    case 'reveal':
      return refused(state, revealed(state, operation.by, operation.inside ?? false));
    case 'end':
    case 'leave':
    case 'join':
    case 'create':
    case 'lookAtSession':
    case 'listOwn':
      return sessionStep(state, operation);
  }
};

type SessionOperation = Extract<
  Operation,
  { readonly do: 'end' | 'lookAtSession' | 'leave' | 'join' | 'create' | 'listOwn' }
>;

const sessionStep = (state: State, operation: SessionOperation): Step => {
  switch (operation.do) {
    case 'end':
      if (state.sessionOwner !== 'ada') return refused(state, joined(state, 'ada') ? ownerOnly : notJoined);
      return { state: { ...state, ended: true }, answers: ['200 ended'] };
    case 'leave':
      return left(state, operation.by);
    case 'join':
      if (state.ended) return refused(state, state.sessionOwner === operation.by ? stateConflict : notJoined);
      return { state: { ...state, present: including(state.present, operation.by) }, answers: ['200'] };
    case 'create': {
      if (!joined(state, operation.by)) return refused(state, notJoined);
      const created = [...state.created, `${operation.by} ${operation.text}`];
      return { state: { ...state, created }, answers: ['201'] };
    }
    case 'lookAtSession':
      if (state.sessionOwner !== 'ada' && !state.present.includes('ada')) return refused(state, notJoined);
      return refused(state, sessionLine(state));
    case 'listOwn': {
      const own = state.created.filter((one) => one.startsWith(`${operation.by} `)).sort();
      return refused(state, `200 [${own.join()}]`);
    }
  }
};

export type Happened = HappenedOf<Operation>;

export const isLinearizable = createIsLinearizable(step);
