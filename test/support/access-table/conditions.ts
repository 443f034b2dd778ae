export const scopes = ['user', 'session', 'shared'] as const;
export type Scope = (typeof scopes)[number];

export const states = ['live', 'inactive', 'expired', 'deleted', 'use only'] as const;
export type State = (typeof states)[number];

/** The scope and state of a secret: one column of the tables. */
export interface Condition {
  readonly scope: Scope;
  readonly state: State;
  /** True where the secret's session has ended. Only for session scope; the secret itself is live. */
  readonly ended: boolean;
}

export const describeCondition = ({ scope, state, ended }: Condition): string =>
  `${scope} scope, ${ended ? 'of an ended session' : state}`;

const everyState = (scope: Scope): Condition[] => states.map((state) => ({ scope, state, ended: false }));

export const endedSession: Condition = { scope: 'session', state: 'live', ended: true };

export const conditions: readonly Condition[] = [...scopes.flatMap(everyState), endedSession];

/** The column of the table of relations. */
export const columnOf = ({ scope, ended }: Condition): string => (ended ? 'ended session' : scope);

/** The conditions in which an operation is tried. `use only` makes a difference to reads only. */
export const conditionsFor = (route: string): readonly Condition[] =>
  route.startsWith('GET ') || route.endsWith('/reveal')
    ? conditions
    : conditions.filter(({ state }) => state !== 'use only');
