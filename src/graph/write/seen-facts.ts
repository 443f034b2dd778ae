import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import type { SessionId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { MemoryObservationRow, MemoryRelationRow } from '../../db/tables/index.ts';
import { notFoundAt } from './errors.ts';
import { type Reach, visibleScope } from './reach.ts';
import type { Holds } from './same-fact.ts';
import type { Target, Targets } from './targets.ts';

interface InScope {
  readonly session_id: SessionId | null;
}

type ObservationRow = Pick<MemoryObservationRow, 'id' | 'entity_id' | 'scope_id' | 'digest'> & Holds & InScope;
type RelationRow = Pick<MemoryRelationRow, 'id' | 'from_id' | 'to_id' | 'scope_id' | 'type'> & Holds & InScope;

interface Deps {
  readonly reach: Reach;
  readonly targets: Targets;
}

export type SeenFacts = ReturnType<typeof createSeenFacts>;

/** Facts by their ids. Throws `not_found` unless the caller sees all of them, and what they are about. */
export const createSeenFacts = ({ reach, targets }: Deps) => {
  const all = async <Row extends { readonly id: string } & InScope>(
    tx: Tx,
    caller: Caller,
    rows: readonly Row[],
    ids: readonly string[],
  ) => {
    const byId = new Map((await reach.visible(tx, caller, rows)).map((row) => [row.id, row]));
    return ids.map((id) => {
      const row = byId.get(id);
      if (!row) throw notFoundAt(null);
      return row;
    });
  };

  const about = async (tx: Tx, caller: Caller, ids: readonly string[]): Promise<ReadonlyMap<string, Target>> => {
    const asked = [...new Set(ids)];
    const refs = asked.map((id) => ({ ref: { id }, field: null }));
    const found = await targets.resolve(tx, caller, refs);
    return new Map(found.map((one) => [one.id, one]));
  };

  return {
    observations: async (tx: Tx, caller: Caller, ids: readonly string[]) => {
      const { rows } =
        await sql<ObservationRow>`select o.id, o.entity_id, o.scope_id, o.digest, o.valid_at, o.invalid_at,
          s.session_id from public.memory_observations as o join public.memory_scopes as s on s.id = o.scope_id
        where o.id = any(${ids}::uuid[]) and ${visibleScope(caller)}`.execute(tx);
      const facts = await all(tx, caller, rows, ids);
      const entities = await about(
        tx,
        caller,
        facts.map((one) => one.entity_id),
      );
      return { facts, targets: [...entities.values()] };
    },

    relations: async (tx: Tx, caller: Caller, ids: readonly string[]) => {
      const { rows } =
        await sql<RelationRow>`select r.id, r.from_id, r.to_id, r.scope_id, r.type, r.valid_at, r.invalid_at,
          s.session_id from public.memory_relations as r join public.memory_scopes as s on s.id = r.scope_id
        where r.id = any(${ids}::uuid[]) and ${visibleScope(caller)}`.execute(tx);
      const facts = await all(tx, caller, rows, ids);
      const ends = await about(
        tx,
        caller,
        facts.flatMap((one) => [one.from_id, one.to_id]),
      );
      return { facts, ends, targets: [...ends.values()] };
    },
  };
};
