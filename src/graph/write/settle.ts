import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { idsOf, newId, type SessionId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { MemoryScopeRow } from '../../db/tables/index.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { DerivedNode } from '../model.ts';
import type { DerivedType } from '../vocabulary.ts';
import type { ScopeOwner } from './places.ts';
import { Moved } from './writing.ts';

/** What a write found out, and which locks it relies on. */
export interface Findings<T> {
  readonly value: T;
  /** The scopes of everything that is changed or referred to. */
  readonly scopes: readonly string[];
  /** The sessions whose facts are changed, in which the caller has to be present. */
  readonly sessions: readonly SessionId[];
  /** The derived nodes that facts refer to. */
  readonly derived: readonly DerivedNode[];
}

/** What was found, with everything locked that it relies on. */
export interface Settled<T> {
  readonly value: T;
  /** The scope of a place. */
  scopeOf(place: ScopeOwner): MemoryScopeRow;
}

interface Deps {
  readonly sessions: Pick<Sessions, 'enterAndLock'>;
}

export type Settle = ReturnType<typeof createSettle>;

/**
 * Finds out what a write is about, takes every lock that it needs, and finds it out again under the locks; if other scopes
 * turned up, the write starts over. Everybody locks in one order (sessions, users, secrets, then scopes by ascending id), and
 * writes only then, so that no two writes wait for each other.
 */
export const createSettle = ({ sessions }: Deps) => {
  const lockPresence = async (tx: Tx, caller: Caller, ids: readonly SessionId[]): Promise<void> => {
    const others = new Set(ids.filter((id) => id !== caller.session));
    for (const id of [...others].sort()) if (!(await sessions.enterAndLock(tx, caller, id))) throw new Moved();
  };

  return async <T>(
    tx: Tx,
    caller: Caller,
    places: readonly ScopeOwner[],
    find: (tx: Tx) => Promise<Findings<T>>,
  ): Promise<Settled<T>> => {
    const first = await find(tx);
    await lockPresence(tx, caller, first.sessions);
    await lockSources(tx, first.derived);
    const own = await ensureScopes(tx, places);
    const locked = new Set([...first.scopes, ...own.map((scope) => scope.id)]);
    await lockScopes(tx, [...locked]);
    // Without anything but the places, nothing can have moved.
    const isSure = first.scopes.length === 0 && first.derived.length === 0;
    const second = isSure ? first : await find(tx);
    const known = new Set(first.sessions);
    const sources = new Set(first.derived.map((node) => node.id));
    const moved =
      second.scopes.some((id) => !locked.has(id)) ||
      second.sessions.some((id) => !known.has(id)) ||
      second.derived.some((node) => !sources.has(node.id));
    if (moved) throw new Moved();
    const scopeOf = (place: ScopeOwner): MemoryScopeRow => {
      const found = own.find((one) => one.user_id === place.user_id && one.session_id === place.session_id);
      if (!found) throw new Moved();
      return found;
    };
    return { value: second.value, scopeOf };
  };
};

const sourceTables: readonly (readonly [DerivedType, string])[] = [
  ['USER', 'users'],
  ['SESSION', 'sessions'],
  ['SECRET', 'secrets'],
];

/** Keeps the sources of derived nodes from being purged before a fact about them is committed. Records are never changed. */
const lockSources = async (tx: Tx, nodes: readonly DerivedNode[]): Promise<void> => {
  for (const [type, table] of sourceTables) {
    const ids = [...new Set(nodes.filter((node) => node.type === type).map((node) => node.id))];
    if (ids.length === 0) continue;
    const { rows } = await sql`select id from ${sql.table(`public.${table}`)} where id = any(${ids}::uuid[])
      order by id for key share`.execute(tx);
    if (rows.length !== ids.length) throw new Moved();
  }
};

const scopesOf = async (tx: Tx, places: readonly ScopeOwner[]): Promise<MemoryScopeRow[]> => {
  const users = idsOf(places.map((place) => place.user_id));
  const sessions = idsOf(places.map((place) => place.session_id));
  const { rows } = await sql<MemoryScopeRow>`select id, user_id, session_id from public.memory_scopes
    where user_id = any(${users}::uuid[]) union all select id, user_id, session_id from public.memory_scopes
    where session_id = any(${sessions}::uuid[])`.execute(tx);
  return rows;
};

const keyOf = (place: ScopeOwner | MemoryScopeRow): string => `${place.user_id} ${place.session_id}`;

/** The scopes of these places, made where there are none. All are made before any is locked, and in one order. */
const ensureScopes = async (tx: Tx, places: readonly ScopeOwner[]): Promise<MemoryScopeRow[]> => {
  const wanted = new Map(places.map((place) => [keyOf(place), place]));
  if (wanted.size === 0) return [];
  const found = await scopesOf(tx, [...wanted.values()]);
  for (const scope of found) wanted.delete(keyOf(scope));
  if (wanted.size === 0) return found;
  for (const key of [...wanted.keys()].sort()) {
    const { user_id, session_id } = wanted.get(key) as ScopeOwner;
    await sql`insert into public.memory_scopes (id, user_id, session_id)
      values (${newId()}, ${user_id}, ${session_id}) on conflict do nothing`.execute(tx);
  }
  return await scopesOf(tx, places);
};

/** Locks scopes for writing. Throws Moved where one is gone. */
const lockScopes = async (tx: Tx, ids: readonly string[]): Promise<void> => {
  if (ids.length === 0) return;
  const { rows } = await sql`select id from public.memory_scopes where id = any(${ids}::uuid[])
    order by id for update`.execute(tx);
  if (rows.length !== ids.length) throw new Moved();
};
