import type { UserId } from '../core/ids.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { SecretFilter } from './queries.ts';
import { stateOf } from './secret.ts';

/**
 * Whether a verified row is one that the filter asks for. The statement chose it, but a database can answer with another one
 * of the caller's secrets. Only `q` is left to the statement: it searches, and nothing is decided by what it finds.
 */
export const matchesFilter = (row: SecretRow, filter: SecretFilter, me: UserId, now: Date): boolean => {
  const { scope, type, tag, q: _searched, owner, sessionId, state, names, onlySession, ...unhandled } = filter;
  // A filter that this function does not handle must not compile.
  unhandled satisfies Record<string, never>;
  const asked = [
    isOf(scope, row.scope),
    isOf(type, row.type),
    isOf(sessionId, row.session_id),
    tag === undefined || row.tags.includes(tag),
    names === undefined || names.includes(row.name),
    owner === undefined || owner === 'any' || (owner === 'me') === (row.owner_id === me),
    onlySession === undefined || row.scope !== 'session' || row.session_id === onlySession,
    state === undefined ? row.deleted_at === null : state === stateOf(row, now),
  ];
  return asked.every((one) => one);
};

const isOf = <T>(asked: T | undefined, value: T): boolean => asked === undefined || asked === value;
