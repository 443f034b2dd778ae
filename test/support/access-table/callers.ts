/** What a user is to the owner's secrets; world.ts makes them so. */
export type Role =
  | 'owner'
  | 'participant'
  | 'ex-participant'
  | 'invited'
  | 'invited by name'
  | 'invited again'
  | 'waiting guest'
  | 'grantee'
  | 'ex-grantee'
  | 'stranger'
  | 'admin'
  | 'auditor'
  | 'disabled'
  | 'disabled owner';

/** The credential of a request. */
export type Credential =
  | 'login'
  | 'login that was ended'
  | 'login after a reset'
  | 'nothing'
  | 'garbage'
  | 'revoked token'
  | 'expired token'
  /** A token with only the permission that the operation needs, and one with all but that. */
  | 'needed'
  | 'all but needed'
  /** A token bound to a session, with every permission on secrets, with and without secrets:own. */
  | 'bound inside'
  | 'bound inside, own'
  | 'bound elsewhere'
  | 'bound elsewhere, own';

export interface CallerKind {
  readonly who: Role;
  /** A login where nothing is said. */
  readonly by?: Credential;
  /** The session in X-Session-Id: the secret's own (in other scopes one in which the owner is), another, or an unknown one. */
  readonly names?: 'inside' | 'elsewhere' | 'unknown';
  /** Which special secrets this caller asks about, in place of the owner's ordinary ones. */
  readonly secret?: 'its owner has left' | 'its owner is disabled' | 'the caller is disabled';
}

export const callers = {
  owner: { who: 'owner' },
  'owner, inside': { who: 'owner', names: 'inside' },
  'owner, inside another session': { who: 'owner', names: 'elsewhere' },
  'owner, naming an unknown session': { who: 'owner', names: 'unknown' },
  'participant, inside': { who: 'participant', names: 'inside' },
  'participant, naming no session': { who: 'participant' },
  'participant, inside another session': { who: 'participant', names: 'elsewhere' },
  'participant, inside, the owner has left': { who: 'participant', names: 'inside', secret: 'its owner has left' },
  'ex-participant': { who: 'ex-participant' },
  'ex-participant, naming the session': { who: 'ex-participant', names: 'inside' },
  'invited, naming no session': { who: 'invited' },
  'invited, naming the session': { who: 'invited by name', names: 'inside' },
  'invited, waiting after a reset': { who: 'waiting guest', by: 'login after a reset', names: 'inside' },
  'removed and invited again, naming the session': { who: 'invited again', names: 'inside' },
  grantee: { who: 'grantee' },
  'grantee, inside another session': { who: 'grantee', names: 'elsewhere' },
  'unshared again': { who: 'ex-grantee' },
  stranger: { who: 'stranger' },
  'stranger, naming the session': { who: 'stranger', names: 'inside' },
  admin: { who: 'admin' },
  auditor: { who: 'auditor' },
  'disabled user': { who: 'disabled', secret: 'the caller is disabled' },
  'disabled user, naming the session': { who: 'disabled', names: 'inside', secret: 'the caller is disabled' },
  'disabled owner': { who: 'disabled owner', secret: 'its owner is disabled' },
  'grantee of a disabled owner': { who: 'grantee', secret: 'its owner is disabled' },
  'participant, inside, the owner is disabled': {
    who: 'participant',
    names: 'inside',
    secret: 'its owner is disabled',
  },
  'owner’s agent, permitted': { who: 'owner', by: 'needed' },
  'owner’s agent, not permitted': { who: 'owner', by: 'all but needed' },
  'participant’s agent, inside, permitted': { who: 'participant', by: 'needed', names: 'inside' },
  'participant’s agent, inside, not permitted': { who: 'participant', by: 'all but needed', names: 'inside' },
  'grantee’s agent, permitted': { who: 'grantee', by: 'needed' },
  'grantee’s agent, not permitted': { who: 'grantee', by: 'all but needed' },
  'stranger’s agent, permitted': { who: 'stranger', by: 'needed' },
  'owner’s token bound inside': { who: 'owner', by: 'bound inside' },
  'owner’s token bound inside, with own': { who: 'owner', by: 'bound inside, own' },
  'owner’s token bound inside, with own, naming another': {
    who: 'owner',
    by: 'bound inside, own',
    names: 'elsewhere',
  },
  'owner’s token bound elsewhere': { who: 'owner', by: 'bound elsewhere' },
  'owner’s token bound elsewhere, with own': { who: 'owner', by: 'bound elsewhere, own' },
  'participant’s token bound inside': { who: 'participant', by: 'bound inside' },
  'participant’s token bound elsewhere': { who: 'participant', by: 'bound elsewhere' },
  'participant’s token bound elsewhere, with own': { who: 'participant', by: 'bound elsewhere, own' },
  'grantee’s token bound elsewhere': { who: 'grantee', by: 'bound elsewhere' },
  'grantee’s token bound elsewhere, with own': { who: 'grantee', by: 'bound elsewhere, own' },
  'owner, waiting after a reset': { who: 'owner', by: 'login after a reset' },
  'participant, inside, waiting after a reset': { who: 'participant', by: 'login after a reset', names: 'inside' },
  'grantee, waiting after a reset': { who: 'grantee', by: 'login after a reset' },
  'owner’s revoked token': { who: 'owner', by: 'revoked token' },
  'owner’s expired token': { who: 'owner', by: 'expired token' },
  'owner’s ended login': { who: 'owner', by: 'login that was ended' },
  'no token': { who: 'stranger', by: 'nothing' },
  'no token, naming the session': { who: 'stranger', by: 'nothing', names: 'inside' },
  'not a token': { who: 'stranger', by: 'garbage' },
} as const satisfies Record<string, CallerKind>;

export type CallerName = keyof typeof callers;
export const callerNames = Object.keys(callers) as CallerName[];
export const kindOf = (caller: CallerName): CallerKind => callers[caller];
