import type { Caller } from '../core/caller.ts';
import type { Unchanged } from '../keys/index.ts';

/**
 * What must still be so for this caller to be let in again: the statement that relies on it then needs no transaction and no
 * `revalidate`. Null for callers whom it does not describe completely: those in a session, those that wait, the operator,
 * and those whose credential has expired by the service's clock. Where the statement writes nothing, all that is known is
 * that something changed; `revalidate` says what.
 */
export const rowsUnchanged = (caller: Caller, now: Date): Unchanged | null => {
  const { session, waiting, verifiedRows, expiresAt } = caller;
  if (session !== null || waiting || verifiedRows.length === 0) return null;
  if (expiresAt !== null && expiresAt.getTime() <= now.getTime()) return null;
  return { rows: verifiedRows, before: expiresAt === null ? [] : [expiresAt] };
};
