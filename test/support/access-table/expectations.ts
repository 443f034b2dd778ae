import { type CallerName, callerNames } from './callers.ts';
import { cell, grid, type Line } from './grid.ts';
import { type OperationName, operationNames } from './operations.ts';
import { columnOf, type Place } from './places.ts';

/*
 * The access rule of the design as two tables, looked up and nothing else: what each kind of caller is to a secret, and
 * what somebody who is that gets for each operation. `ok` is the whole answer; everything else is status and code.
 */

/**
 * What a caller is to a secret of each scope. *inside* and *elsewhere* say whether the owner asks from inside the
 * secret's session: it matters for names. *bound owner* is the owner by a token that stays in its session.
 */
const standings = grid(`
caller                                               | user            | session                 | session ended           | shared
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

/** Words for several operations and several standings, so that the table below says each thing once. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'reveal, by whatever': ['reveal', 'reveal by id', 'reveal by name'],
  'the owner’s to read': ['access', 'versions'],
  'the owner’s to write': ['patch', 'set value'],
  'the owner’s to switch': ['activate', 'deactivate', 'recover', 'delete', 'purge'],
  transfers: ['transfer to user', 'transfer into a session'],
  'every owner': ['owner', 'owner inside', 'owner elsewhere', 'bound owner'],
  'owner, of a session’s secret': ['owner inside', 'owner elsewhere', 'bound owner'],
  'owner, not bound': ['owner', 'owner inside', 'owner elsewhere'],
  'owner, not elsewhere': ['owner', 'owner inside', 'bound owner'],
  readers: ['participant', 'grantee'],
  'waiting owners': ['waiting owner', 'waiting owner elsewhere'],
  'anybody waiting': ['waiting owner', 'waiting owner elsewhere', 'waiting reader', 'waiting nothing'],
  'everything but list': operationNames.filter((name) => name !== 'list'),
  'every change': [
    'patch',
    'set value',
    'restore',
    'share',
    'unshare',
    'take oneself off',
    'activate',
    'deactivate',
    'recover',
    'transfer to user',
    'transfer into a session',
    'delete',
    'purge',
  ],
  everything: operationNames,
};

/** What who gets, by the state of the secret. A secret of an ended session is live, to those who have something. */
const outcomes = grid(`
operation             | who                          | live                   | use only               | inactive               | expired                | deleted
everything            | no credential                | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated    | 401 unauthenticated
everything            | not joined                   | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
everything            | no permission                | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing
everything but list   | nothing                      | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
every change          | anybody waiting              | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period

list                  | every owner                  | ok                     | ok                     | ok                     | ok                     | ok
list                  | readers                      | ok                     | ok                     | 200 unseen             | 200 unseen             | 200 unseen
list                  | waiting owners               | ok                     | ok                     | ok                     | ok                     | ok
list                  | waiting reader               | ok                     | ok                     | 200 unseen             | 200 unseen             | 200 unseen
list                  | nothing                      | 200 unseen             | 200 unseen             | 200 unseen             | 200 unseen             | 200 unseen
list                  | waiting nothing              | 200 unseen             | 200 unseen             | 200 unseen             | 200 unseen             | 200 unseen

get                   | every owner                  | ok                     | ok                     | ok                     | ok                     | ok
get                   | readers                      | ok                     | ok                     | 404 not_found          | 404 not_found          | 404 not_found
get                   | waiting owners               | ok                     | ok                     | ok                     | ok                     | ok
get                   | waiting reader               | ok                     | ok                     | 404 not_found          | 404 not_found          | 404 not_found
get                   | waiting nothing              | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

reveal                | every owner                  | ok                     | ok                     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
reveal by id          | every owner                  | ok                     | ok                     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
reveal by name        | owner, not elsewhere         | ok                     | ok                     | 409 state_conflict     | 409 state_conflict     | 404 not_found
reveal by name        | owner elsewhere              | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
reveal, by whatever   | readers                      | ok                     | 403 use_only           | 404 not_found          | 404 not_found          | 404 not_found
reveal                | waiting owners               | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
reveal by id          | waiting owners               | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
reveal by name        | waiting owner                | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 404 not_found
reveal by name        | waiting owner elsewhere      | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
reveal, by whatever   | waiting reader               | 403 waiting_period     | 403 waiting_period     | 404 not_found          | 404 not_found          | 404 not_found
reveal, by whatever   | waiting nothing              | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

the owner’s to read   | every owner                  | ok                     | ok                     | ok                     | ok                     | ok
the owner’s to read   | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
the owner’s to read   | waiting owners               | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period     | 403 waiting_period
the owner’s to read   | waiting reader               | 403 waiting_period     | 403 waiting_period     | 404 not_found          | 404 not_found          | 404 not_found
the owner’s to read   | waiting nothing              | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

the owner’s to write  | every owner                  | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
the owner’s to write  | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found

restore               | every owner                  | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
restore               | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found

share                 | owner                        | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
share                 | owner, of a session’s secret | 409 state_conflict     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict     | 409 state_conflict
share                 | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
unshare               | every owner                  | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
unshare               | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
take oneself off      | grantee                      | ok                     | ok                     | 404 not_found          | 404 not_found          | 404 not_found
take oneself off      | participant                  | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found
take oneself off      | every owner                  | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found          | 404 not_found

the owner’s to switch | every owner                  | ok                     | ok                     | ok                     | ok                     | ok
the owner’s to switch | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found

transfers             | owner, not bound             | ok                     | ok                     | ok                     | ok                     | 409 state_conflict
transfers             | bound owner                  | 403 permission_missing | 403 permission_missing | 403 permission_missing | 403 permission_missing | 409 state_conflict
transfers             | readers                      | 403 owner_only         | 403 owner_only         | 404 not_found          | 404 not_found          | 404 not_found
`);

const words = (text: string): readonly string[] => groups[text] ?? [text];

const key = (operation: string, standing: string): string => `${operation} / ${standing}`;

const linesByKey = (): ReadonlyMap<string, Line> => {
  const found = new Map<string, Line>();
  for (const line of outcomes) {
    for (const operation of words(cell(line, 'operation'))) {
      for (const standing of words(cell(line, 'who'))) {
        const at = key(operation, standing);
        if (found.has(at)) throw new Error(`the table says twice what becomes of ${at}`);
        found.set(at, line);
      }
    }
  }
  return found;
};

const outcomeLines = linesByKey();
const standingLines = new Map(standings.map((line) => [cell(line, 'caller'), line]));

export const standingOf = (caller: CallerName, place: Place): string => {
  const line = standingLines.get(caller);
  if (!line) throw new Error(`the table does not say what ${caller} is`);
  return cell(line, columnOf(place));
};

/** What the table says of one cell. Throws where it says nothing. */
export const expected = (operation: OperationName, caller: CallerName, place: Place): string => {
  const standing = standingOf(caller, place);
  const line = outcomeLines.get(key(operation, standing));
  if (!line) throw new Error(`the table does not say what becomes of ${key(operation, standing)}`);
  return cell(line, place.state);
};

/** To these the secret looks like one that never was, whatever they ask. */
const hidden: ReadonlySet<string> = new Set([
  'nothing',
  'not joined',
  'no permission',
  'no credential',
  'waiting nothing',
]);

export const looksLikeNothing = (operation: OperationName, caller: CallerName, place: Place): boolean =>
  hidden.has(standingOf(caller, place)) || ['404 not_found', '200 unseen'].includes(expected(operation, caller, place));

/** What the tables name and nobody bears: a misspelt line would otherwise stand there unread. */
export const strayNames = (): readonly string[] => {
  const known = new Set<string>([...callerNames, ...operationNames]);
  const named = [...standingLines.keys(), ...outcomes.flatMap((line) => words(cell(line, 'operation')))];
  return named.filter((name) => !known.has(name));
};
