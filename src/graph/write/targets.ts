import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { idsOf, isUuid, type SessionId, toId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { DerivedNode, End, EntityRef } from '../operations.ts';
import type { Sight } from '../sight.ts';
import { ambiguous, derivedNode, notFoundAt, sessionOver } from './errors.ts';
import { type Candidate, createNames, type NameRef } from './names.ts';
import { type Reach, type ScopeState, visibleScope } from './reach.ts';
import type { Findings } from './settle.ts';

/** A remembered entity that a request names. */
export interface RememberedTarget extends End {
  readonly derived: null;
  readonly scope_id: string;
  readonly session_id: SessionId | null;
  readonly state: ScopeState;
}

/** What a request names: a remembered entity, or a derived node that facts are about. */
export type Target = RememberedTarget | (End & { readonly derived: DerivedNode });

/** An entity as a request names it, and the field that does; null where the whole request is about it. */
export interface AskedRef {
  readonly ref: EntityRef;
  readonly field: string | null;
}

/** Answers which of these ids are derived nodes that the sight shows, and what they are. */
export type FindDerived = (tx: Tx, sight: Sight, ids: readonly string[]) => Promise<ReadonlyMap<string, DerivedNode>>;

interface Deps {
  readonly sessions: Pick<Sessions, 'idOf'>;
  readonly reach: Reach;
  readonly findDerived: FindDerived;
}

export type Targets = ReturnType<typeof createTargets>;

/** Finds what requests name. Ids and names of merged entities lead to the survivor. */
export const createTargets = ({ sessions, reach, findDerived }: Deps) => {
  const names = createNames({ sessions, reach });

  const byId = async (tx: Tx, caller: Caller, ids: readonly string[]) => {
    if (ids.length === 0) return [];
    const { rows } = await sql<Candidate>`${sql.raw(replanEachTime)} select a.id as asked, e.id, e.type, e.name,
        e.scope_id, s.session_id from unnest(${ids}::uuid[]) as a (id)
      left join public.memory_merges as m on m.merged_id = a.id
      join public.memory_entities as e on e.id = coalesce(m.entity_id, a.id)
      join public.memory_scopes as s on s.id = e.scope_id where ${visibleScope(caller)}`.execute(tx);
    return await reach.visible(tx, caller, rows);
  };

  const derivedOf = async (tx: Tx, caller: Caller, ids: readonly string[]) =>
    ids.length === 0 ? new Map<string, DerivedNode>() : await findDerived(tx, await reach.sight(tx, caller), ids);

  const resolver = {
    /** What each reference names, in their order. Throws `not_found`, or `state_conflict` where a name is ambiguous. */
    resolve: async (tx: Tx, caller: Caller, asked: readonly AskedRef[]): Promise<Target[]> => {
      const ids = [...new Set(asked.flatMap(({ ref }) => ('id' in ref && isUuid(ref.id) ? toId<string>(ref.id) : [])))];
      const nameRefs = asked.flatMap(({ ref }) => ('id' in ref ? [] : ref));
      const remembered = new Map((await byId(tx, caller, ids)).map((one) => [one.asked, one]));
      const derived = await derivedOf(
        tx,
        caller,
        ids.filter((id) => !remembered.has(id)),
      );
      const named = await names.find(tx, caller, nameRefs);
      const byName = (ref: NameRef, field: string | null): Target | null => {
        const candidates = named(ref);
        if (candidates.length > 1) throw ambiguous(field, candidates.slice(0, maxShown).map(candidateField));
        return targetOf(candidates[0], undefined);
      };
      return asked.map(({ ref, field }) => {
        const found =
          'id' in ref ? targetOf(remembered.get(toId(ref.id)), derived.get(toId(ref.id))) : byName(ref, field);
        if (found === null) throw notFoundAt(field);
        return found;
      });
    },
  };

  return {
    ...resolver,

    /** The ids of these entities, or of those that they were merged into. Throws `not_found` for one that is hidden by now. */
    stillSeen: async (tx: Tx, caller: Caller, ids: readonly string[]): Promise<string[]> => {
      const refs = ids.map((id) => ({ ref: { id }, field: null }));
      return (await resolver.resolve(tx, caller, refs)).map((one) => one.id);
    },
  };
};

const targetOf = (
  entity: (Candidate & { readonly state: ScopeState }) | undefined,
  node: DerivedNode | undefined,
): Target | null => {
  if (entity) {
    const { asked: _, ...rest } = entity;
    return { ...rest, derived: null };
  }
  return node ? { id: node.id, type: node.type, name: node.name, derived: node } : null;
};

/** A refusal lists at most this many entities of one name. */
const maxShown = 20;

const candidateField = ({ id, type, session_id }: Candidate, at: number) => ({
  field: `candidates/${at}`,
  detail: `${id} (${type}, ${session_id === null ? 'your own' : `session ${session_id}`})`,
});

/** What a write relies on that refers to these targets. */
export const findingsOf = <T>(value: T, targets: readonly Target[]): Findings<T> => ({
  value,
  scopes: targets.flatMap((one) => (one.derived ? [] : one.scope_id)),
  sessions: [],
  derived: targets.flatMap((one) => one.derived ?? []),
});

/** The same for a write that changes these targets. Throws `state_conflict` for a derived node and in an ended session. */
export const changing = (
  targets: readonly Target[],
  field: (at: number) => string | null,
): Findings<RememberedTarget[]> => {
  const entities = targets.map((one, at) => {
    if (one.derived) throw derivedNode(field(at));
    if (one.state === 'ended') throw sessionOver(field(at));
    return one;
  });
  return { ...findingsOf(entities, entities), sessions: idsOf(entities.map((one) => one.session_id)) };
};
