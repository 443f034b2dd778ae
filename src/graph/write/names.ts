import { type RawBuilder, sql } from 'kysely';
import { presentCondition } from '../../access/index.ts';
import type { Caller } from '../../core/caller.ts';
import type { SessionId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { End, EntityRef } from '../operations.ts';
import { isConfined } from '../sight.ts';
import type { Reach, ScopeState } from './reach.ts';

/** An entity that a request may mean. */
export interface Candidate extends End {
  /** The id or the name by which it was asked for. */
  readonly asked: string;
  readonly scope_id: string;
  readonly session_id: SessionId | null;
}

export type NameRef = Exclude<EntityRef, { readonly id: string }>;

/** The entities that a reference can mean: none, one, or one for each scope that has the name. */
type Found = (ref: NameRef) => (Candidate & { readonly state: ScopeState })[];

/** Names that one statement looks for, in thousands of scopes where somebody is in so many sessions. */
const maxNames = 200;

interface Deps {
  readonly sessions: Pick<Sessions, 'idOf'>;
  readonly reach: Reach;
}

/** Finds entities by their exact names and aliases, among those that the caller sees. */
export const createNames = ({ sessions, reach }: Deps) => {
  /** The sessions by which names are qualified; null for one that the caller does not know. */
  const qualifiers = async (tx: Tx, caller: Caller, refs: readonly NameRef[]) => {
    const found = new Map<string, SessionId | null>();
    for (const name of new Set(refs.flatMap((ref) => ref.session_id ?? [])))
      found.set(name, await sessions.idOf(tx, caller, name));
    return found;
  };

  const named = async (tx: Tx, scopes: RawBuilder<unknown>, names: readonly string[]): Promise<Candidate[]> => {
    const found: Candidate[] = [];
    for (let at = 0; at < names.length; at += maxNames) {
      const { rows } = await sql<Candidate>`${sql.raw(replanEachTime)} with s as materialized (${scopes})
        select n.name as asked, e.id, e.type, e.name, e.scope_id, s.session_id from s
        join public.memory_names as n on n.scope_id = s.id and n.name = any(${names.slice(at, at + maxNames)}::text[])
        join public.memory_entities as e on e.id = n.entity_id order by e.id`.execute(tx);
      found.push(...rows);
    }
    return found;
  };

  return {
    find: async (tx: Tx, caller: Caller, refs: readonly NameRef[]): Promise<Found> => {
      if (refs.length === 0) return () => [];
      const qualified = await qualifiers(tx, caller, refs);
      const isQualified = refs.every((ref) => ref.session_id !== undefined);
      const wanted = isQualified ? [...qualified.values()].filter((id) => id !== null) : null;
      const names = [...new Set(refs.map((ref) => ref.name))];
      const visible = await reach.visible(tx, caller, await named(tx, visibleScopes(caller, wanted), names));
      const byName = Map.groupBy(visible, (one) => one.asked);
      const isThere = (place: NameRef['session_id'], session: SessionId | null): boolean => {
        if (place === undefined) return true;
        return place === null ? session === null : session !== null && qualified.get(place) === session;
      };
      return ({ name, type, session_id }) =>
        (byName.get(name) ?? []).filter(
          (one) => isThere(session_id, one.session_id) && (type === undefined || type === one.type),
        );
    },
  };
};

/**
 * The scopes that the caller sees: their own and those of their sessions, or of these sessions among them. It only chooses,
 * as `visibleScope` does, by the caller's sessions and not by reading everybody's scopes.
 */
const visibleScopes = (caller: Caller, sessions: readonly SessionId[] | null): RawBuilder<unknown> => {
  if (isConfined(caller))
    return sql`select id, session_id from public.memory_scopes where session_id = ${caller.session}::uuid`;
  const among = sessions === null ? sql`` : sql`and p.session_id = any(${sessions}::uuid[])`;
  return sql`select id, session_id from public.memory_scopes where user_id = ${caller.userId}
    union all select c.id, c.session_id from public.session_participants as p
      join public.memory_scopes as c on c.session_id = p.session_id
      where p.user_id = ${caller.userId} and ${presentCondition('p')} ${among}`;
};
