import { type RawBuilder, sql } from 'kysely';
import { isPresent, isSessionActive, presentCondition } from '../../access/index.ts';
import type { Caller } from '../../core/caller.ts';
import { idsOf, type SessionId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { Now } from '../../db/time.ts';
import type { Seals } from '../../keys/index.ts';
import { isConfined, type Sight } from '../sight.ts';

/** What the caller may do with the facts of a scope that they see: those of an ended session can only be read. */
export type ScopeState = 'own' | 'active' | 'ended';

/** What a statement found in a scope. */
export interface Scoped {
  readonly session_id: string | null;
}

interface Deps {
  readonly now: Now;
  readonly seals: Seals;
}

export type Reach = ReturnType<typeof createReach>;

/** Which scopes a caller sees when they write: their own, and those of every session in which they are present. */
export const createReach = ({ now, seals }: Deps) => {
  /** Whether the sessions in which the caller is present are active, by verified rows. */
  const sessionStates = async (
    tx: Tx,
    { userId }: Caller,
    ids: readonly SessionId[],
  ): Promise<ReadonlyMap<string, ScopeState>> => {
    if (ids.length === 0) return new Map();
    const time = await now(tx);
    const sessions = await seals.load(tx, 'sessions', { id: ids });
    const rows = await seals.load(tx, 'session_participants', { session_id: ids, user_id: userId, left_at: null });
    const present = new Set(rows.filter(isPresent).map((row) => row.session_id));
    return new Map(
      sessions
        .filter((row) => present.has(row.id))
        .map((row) => [row.id, isSessionActive(row, time) ? 'active' : 'ended']),
    );
  };

  return {
    /**
     * Of rows that a statement chose by `visibleScope`, those whose scope the caller sees indeed, with its state.
     */
    visible: async <Row extends Scoped>(
      tx: Tx,
      caller: Caller,
      rows: readonly Row[],
    ): Promise<(Row & { readonly state: ScopeState })[]> => {
      const ids = new Set(idsOf<SessionId>(rows.map((row) => row.session_id)));
      const states = await sessionStates(tx, caller, [...ids]);
      return rows.flatMap((row) => {
        const state = row.session_id === null ? 'own' : states.get(row.session_id);
        return state === undefined ? [] : { ...row, state };
      });
    },

    /** Who sees which derived nodes when they write. */
    sight: async (tx: Tx, caller: Caller): Promise<Sight> => ({
      caller,
      mode: 'all',
      session: caller.session,
      now: await now(tx),
      viewers: [caller],
      scopes: new Map(),
      excluded: [],
      onlySession: isConfined(caller) ? caller.session : null,
    }),
  };
};

/**
 * The condition on the scopes, of alias `s`, that the caller sees. It only chooses: `visible` verifies. What is hidden comes
 * back from no statement, so that the same statements follow as for what does not exist.
 */
export const visibleScope = (caller: Caller): RawBuilder<boolean> =>
  isConfined(caller)
    ? sql<boolean>`s.session_id = ${caller.session}::uuid`
    : sql<boolean>`(s.user_id = ${caller.userId}::uuid or exists (select 1 from public.session_participants as p
        where p.session_id = s.session_id and p.user_id = ${caller.userId}::uuid and ${presentCondition('p')}))`;
