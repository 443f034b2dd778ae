import type { Caller } from '../../core/caller.ts';
import { idsOf, type SessionId } from '../../core/ids.ts';
import { sessionOver } from './errors.ts';
import type { ScopeState } from './reach.ts';
import type { Findings } from './settle.ts';

/** An observation or a relation in a scope that the caller sees. */
export interface SeenFact {
  readonly id: string;
  readonly scope_id: string;
  readonly session_id: string | null;
  readonly state: ScopeState;
}

/**
 * Of facts that say the same in different scopes, those that a deletion by content means: the facts of the place to which the
 * request would have written, else those of the entity's own scope, else all others. Throws `state_conflict` where all of
 * them belong to ended sessions.
 */
export const meantFacts = <Fact extends SeenFact>(
  caller: Caller,
  facts: readonly Fact[],
  homes: readonly string[],
  field: string,
): readonly Fact[] => {
  const open = facts.filter((fact) => fact.state !== 'ended');
  if (open.length === 0 && facts.length > 0) throw sessionOver(field);
  const here = open.filter((fact) => fact.session_id === caller.session);
  if (here.length > 0) return here;
  const atHome = open.filter((fact) => homes.includes(fact.scope_id));
  return atHome.length > 0 ? atHome : open;
};

/** Adds the facts that a write changes to what it relies on. */
export const withFacts = <T>(findings: Findings<unknown>, facts: readonly SeenFact[], value: T): Findings<T> => ({
  value,
  scopes: [...findings.scopes, ...facts.map((fact) => fact.scope_id)],
  sessions: [...findings.sessions, ...idsOf<SessionId>(facts.map((fact) => fact.session_id))],
  derived: findings.derived,
});
