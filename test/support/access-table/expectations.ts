import { type CallerName, callerNames } from './callers.ts';
import { type Condition, columnOf } from './conditions.ts';
import { cell, grid, type Line, located } from './grid.ts';
import { type OperationName, operationNames } from './operations.ts';

/*
 * The access rule of the design as two tables. The first says in which relation each caller is to a secret, the second
 * what a caller in that relation gets for each operation: `ok` for the right answer, or status and code of the refusal.
 * Nothing here is computed.
 */

/**
 * The caller's relation to a secret of each scope. *inside* and *elsewhere* say whether the owner's request names the
 * secret's session, which matters where secrets are asked for by name. *bound owner* is the owner by a token that is bound
 * to the secret's session.
 */
const relations = grid(`
caller                                               | user            | session                 | ended session           | shared
owner                                                | owner           | owner elsewhere         | owner elsewhere         | owner
owner, inside                                        | owner           | owner inside            | not joined              | owner
owner, inside another session                        | owner           | owner elsewhere         | owner elsewhere         | owner
owner, naming an unknown session                     | not joined      | not joined              | not joined              | not joined
participant, inside                                  | nothing         | participant             | not joined              | nothing
participant, naming no session                       | nothing         | nothing                 | nothing                 | nothing
participant, inside another session                  | nothing         | nothing                 | nothing                 | nothing
participant, inside, the owner has left              | nothing         | nothing                 | not joined              | nothing
ex-participant                                       | nothing         | nothing                 | nothing                 | nothing
ex-participant, naming the session                   | not joined      | not joined              | not joined              | not joined
invited, naming no session                           | nothing         | nothing                 | nothing                 | nothing
invited, naming the session                          | nothing         | participant             | not joined              | nothing
invited, waiting after a reset                       | not joined      | not joined              | not joined              | not joined
removed and invited again, naming the session        | not joined      | not joined              | not joined              | not joined
grantee                                              | nothing         | nothing                 | nothing                 | grantee
grantee, inside another session                      | nothing         | nothing                 | nothing                 | grantee
unshared again                                       | nothing         | nothing                 | nothing                 | nothing
stranger                                             | nothing         | nothing                 | nothing                 | nothing
stranger, naming the session                         | not joined      | not joined              | not joined              | not joined
admin                                                | nothing         | nothing                 | nothing                 | nothing
auditor                                              | nothing         | nothing                 | nothing                 | nothing
disabled user                                        | no credential   | no credential           | no credential           | no credential
disabled user, naming the session                    | no credential   | no credential           | no credential           | no credential
disabled owner                                       | no credential   | no credential           | no credential           | no credential
grantee of a disabled owner                          | nothing         | nothing                 | nothing                 | nothing
participant, inside, the owner is disabled           | nothing         | nothing                 | not joined              | nothing
owner’s agent, permitted                             | owner           | owner elsewhere         | owner elsewhere         | owner
owner’s agent, not permitted                         | no permission   | no permission           | no permission           | no permission
participant’s agent, inside, permitted               | nothing         | participant             | not joined              | nothing
participant’s agent, inside, not permitted           | no permission   | no permission           | not joined              | no permission
grantee’s agent, permitted                           | nothing         | nothing                 | nothing                 | grantee
grantee’s agent, not permitted                       | no permission   | no permission           | no permission           | no permission
stranger’s agent, permitted                          | nothing         | nothing                 | nothing                 | nothing
owner’s token bound inside                           | nothing         | bound owner             | not joined              | nothing
owner’s token bound inside, with own                 | owner           | owner inside            | not joined              | owner
owner’s token bound inside, with own, naming another | not joined      | not joined              | not joined              | not joined
owner’s token bound elsewhere                        | nothing         | nothing                 | nothing                 | nothing
owner’s token bound elsewhere, with own              | owner           | owner elsewhere         | owner elsewhere         | owner
participant’s token bound inside                     | nothing         | participant             | not joined              | nothing
participant’s token bound elsewhere                  | nothing         | nothing                 | nothing                 | nothing
participant’s token bound elsewhere, with own        | nothing         | nothing                 | nothing                 | nothing
grantee’s token bound elsewhere                      | nothing         | nothing                 | nothing                 | nothing
grantee’s token bound elsewhere, with own            | nothing         | nothing                 | nothing                 | grantee
owner, waiting after a reset                         | waiting owner   | waiting owner elsewhere | waiting owner elsewhere | waiting owner
participant, inside, waiting after a reset           | waiting nothing | waiting reader          | not joined              | waiting nothing
grantee, waiting after a reset                       | waiting nothing | waiting nothing         | waiting nothing         | waiting reader
owner’s revoked token                                | no credential   | no credential           | no credential           | no credential
owner’s expired token                                | no credential   | no credential           | no credential           | no credential
owner’s ended login                                  | no credential   | no credential           | no credential           | no credential
no token                                             | no credential   | no credential           | no credential           | no credential
no token, naming the session                         | no credential   | no credential           | no credential           | no credential
not a token                                          | no credential   | no credential           | no credential           | no credential
`);

/** Words for several operations or several relations, so that the table below says everything once. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'any reveal': ['reveal', 'reveal by id', 'reveal by name'],
  'owner reads': ['access', 'versions'],
  'owner writes': ['patch', 'set value'],
  'owner switches': ['activate', 'deactivate', 'recover', 'delete', 'purge'],
  transfers: ['transfer to user', 'transfer into a session'],
  'any owner': ['owner', 'owner inside', 'owner elsewhere', 'bound owner'],
  'owner of a session secret': ['owner inside', 'owner elsewhere', 'bound owner'],
  'owner, not bound': ['owner', 'owner inside', 'owner elsewhere'],
  'owner, not elsewhere': ['owner', 'owner inside', 'bound owner'],
  readers: ['participant', 'grantee'],
  'waiting owners': ['waiting owner', 'waiting owner elsewhere'],
  'anyone waiting': ['waiting owner', 'waiting owner elsewhere', 'waiting reader', 'waiting nothing'],
  'everything but list': operationNames.filter((name) => name !== 'list'),
  'every change': [
    'patch',
    'set value',
    'restore',
    'share',
    'unshare',
    'leave share',
    'activate',
    'deactivate',
    'recover',
    'transfer to user',
    'transfer into a session',
    'offer',
    'delete',
    'purge',
  ],
  everything: operationNames,
};

/** The outcome by the state of the secret. A secret of an ended session is live. */
const outcomes = grid(`
operation           | relation                  | live                   | use only               | inactive               | expired                | deleted
everything          | no credential             | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
everything          | not joined                | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
everything          | no permission             | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing
everything but list | nothing                   | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
every change        | anyone waiting            | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period

list                | any owner                 | ok                     | ok                     | ok                     | ok                     | ok
list                | readers                   | ok                     | ok                     | 200 not listed         | 200 not listed         | 200 not listed
list                | waiting owners            | ok                     | ok                     | ok                     | ok                     | ok
list                | waiting reader            | ok                     | ok                     | 200 not listed         | 200 not listed         | 200 not listed
list                | nothing                   | 200 not listed         | 200 not listed         | 200 not listed         | 200 not listed         | 200 not listed
list                | waiting nothing           | 200 not listed         | 200 not listed         | 200 not listed         | 200 not listed         | 200 not listed

get                 | any owner                 | ok                     | ok                     | ok                     | ok                     | ok
get                 | readers                   | ok                     | ok                     | 404 not_found          | 404 not_found          | 404 not_found
get                 | waiting owners            | ok                     | ok                     | ok                     | ok                     | ok
get                 | waiting reader            | ok                     | ok                     | 404 not_found          | 404 not_found          | 404 not_found
get                 | waiting nothing           | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

reveal              | any owner                 | ok                     | ok                     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
reveal by id        | any owner                 | ok                     | ok                     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
reveal by name      | owner, not elsewhere      | ok                     | ok                     | 409 state_conflict     | 409 state_conflict     | 404 not_found
reveal by name      | owner elsewhere           | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
any reveal          | readers                   | ok                     | 403 use_only           | 404 not_found          | 404 not_found          | 404 not_found
reveal              | waiting owners            | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
reveal by id        | waiting owners            | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
reveal by name      | waiting owner             | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 404 not_found
reveal by name      | waiting owner elsewhere   | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
any reveal          | waiting reader            | 403 waiting_period     | 403 waiting_period     | 404 not_found          | 404 not_found          | 404 not_found
any reveal          | waiting nothing           | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

owner reads         | any owner                 | ok                     | ok                     | ok                     | ok                     | ok
owner reads         | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
owner reads         | waiting owners            | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
owner reads         | waiting reader            | 403 waiting_period     | 403 waiting_period     | 404 not_found          | 404 not_found          | 404 not_found
owner reads         | waiting nothing           | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

owner writes        | any owner                 | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
owner writes        | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found

restore             | any owner                 | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
restore             | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found

share               | owner                     | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
share               | owner of a session secret | 409 state_conflict     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
share               | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
unshare             | any owner                 | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
unshare             | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
leave share         | grantee                   | ok                     | ok                     | 404 not_found          | 404 not_found          | 404 not_found
leave share         | participant               | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
leave share         | any owner                 | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

owner switches      | any owner                 | ok                     | ok                     | ok                     | ok                     | ok
owner switches      | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found

transfers           | owner, not bound          | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
transfers           | bound owner               | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing | 409 state_conflict
transfers           | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
offer               | owner                     | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
offer               | owner of a session secret | 409 state_conflict     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
offer               | readers                   | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
`);

const words = (text: string): readonly string[] => groups[text] ?? [text];

const key = (operation: string, relation: string): string => `${operation} by ${relation}`;

const linesByKey = (): ReadonlyMap<string, Line> => {
  const found = new Map<string, Line>();
  for (const line of outcomes) {
    for (const operation of words(cell(line, 'operation'))) {
      for (const relation of words(cell(line, 'relation'))) {
        const at = key(operation, relation);
        if (found.has(at)) throw new Error(`the table of outcomes has two lines for ${at}`);
        found.set(at, line);
      }
    }
  }
  return found;
};

const outcomeLines = linesByKey();
const relationLines = new Map(relations.map((line) => [cell(line, 'caller'), line]));

const relationLine = (caller: CallerName): Line => {
  const line = relationLines.get(caller);
  if (!line) throw new Error(`the table of relations has no line for ${caller}`);
  return line;
};

const outcomeLine = (operation: OperationName, relation: string): Line => {
  const line = outcomeLines.get(key(operation, relation));
  if (!line) throw new Error(`the table of outcomes has no line for ${key(operation, relation)}`);
  return line;
};

export const relationOf = (caller: CallerName, condition: Condition): string =>
  cell(relationLine(caller), columnOf(condition));

/** The outcome that the tables expect of one cell. */
export const expected = (operation: OperationName, caller: CallerName, condition: Condition): string =>
  cell(outcomeLine(operation, relationOf(caller, condition)), condition.state);

/** The two lines from which `expected` takes the outcome of a cell, for the message of a test that fails. */
export const linesOf = (operation: OperationName, caller: CallerName, condition: Condition): string =>
  [
    located('table of relations', relationLine(caller), columnOf(condition)),
    located('table of outcomes', outcomeLine(operation, relationOf(caller, condition)), condition.state),
  ].join('\n');

/** In these relations the secret looks like one that never existed, whatever the operation. */
const hidden: ReadonlySet<string> = new Set([
  'nothing',
  'not joined',
  'no permission',
  'no credential',
  'waiting nothing',
]);

/** Whether the caller must get the same bytes for the secret as for one that never existed. */
export const looksLikeNothing = (operation: OperationName, caller: CallerName, condition: Condition): boolean =>
  hidden.has(relationOf(caller, condition)) ||
  ['404 not_found', '200 not listed'].includes(expected(operation, caller, condition));

/** Names in the tables that are no caller's and no operation's: a misspelt line would never be read. */
export const unknownNames = (): readonly string[] => {
  const known = new Set<string>([...callerNames, ...operationNames]);
  const named = [...relationLines.keys(), ...outcomes.flatMap((line) => words(cell(line, 'operation')))];
  return named.filter((name) => !known.has(name));
};
