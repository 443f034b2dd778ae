/** Where a secret is and how it is: one column of the table. */
export const scopes = ['user', 'session', 'shared'] as const;
export type Scope = (typeof scopes)[number];

export const states = ['live', 'inactive', 'expired', 'deleted', 'use only'] as const;
export type State = (typeof states)[number];

export interface Place {
  readonly scope: Scope;
  readonly state: State;
  /** Its session has ended; of scope session only, and the secret itself is then live. */
  readonly ended: boolean;
}

export const nameOf = ({ scope, state, ended }: Place): string => `${scope} scope, ${ended ? 'session ended' : state}`;

const everyState = (scope: Scope): Place[] => states.map((state) => ({ scope, state, ended: false }));

export const endedPlace: Place = { scope: 'session', state: 'live', ended: true };

export const places: readonly Place[] = [...scopes.flatMap(everyState), endedPlace];

/** The column of the standings for the place. */
export const columnOf = ({ scope, ended }: Place): string => (ended ? 'session ended' : scope);

/** Where an operation is asked about: that a secret is for use only matters to who looks at it or reveals it. */
export const placesFor = (route: string): readonly Place[] =>
  route.startsWith('GET ') || route.endsWith('/reveal') ? places : places.filter(({ state }) => state !== 'use only');
