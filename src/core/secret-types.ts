// The closed lists of what a secret can be. They depend on nothing, so that the command line's help, the HTTP schemas
// and the domains share them.

export const secretTypes = [
  'ssh_key',
  'password',
  'api_key',
  'token',
  'certificate',
  'database_url',
  'infrastructure_host',
  'other',
] as const;
export type SecretType = (typeof secretTypes)[number];

/** Who has access to a secret: its owner alone, the participants of a session, or the users whom it is shared with. */
export const scopes = ['user', 'session', 'shared'] as const;
export type Scope = (typeof scopes)[number];

/** The scopes that a transfer can move a secret to. A secret becomes shared by sharing it. */
export const transferScopes = ['user', 'session'] as const satisfies readonly Scope[];

/** What others may do with a secret that they reach: reveal its value, or only use it. */
export const exposures = ['reveal', 'use'] as const;
export type Exposure = (typeof exposures)[number];

/** The states of a secret, each of which excludes the others. */
export const secretStates = ['live', 'inactive', 'expired', 'deleted'] as const;
export type SecretState = (typeof secretStates)[number];

/** Whose secrets a list shows. */
export const ownerFilters = ['me', 'others', 'any'] as const;
export type OwnerFilter = (typeof ownerFilters)[number];

/** What an import does with a name that its owner has already. */
export const onConflicts = ['fail', 'skip', 'update', 'rename'] as const;
export type OnConflict = (typeof onConflicts)[number];
