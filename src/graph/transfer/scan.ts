import { type RawBuilder, sql } from 'kysely';
import { nilId } from '../../core/ids.ts';
import { replanEachTime } from '../../db/pool.ts';
import type { View } from '../read.ts';

type Table = 'memory_entities' | 'memory_observations' | 'memory_relations';

/** Rows of one statement, about. */
const pageSize = 1000;

/** Scopes that are read together: a large one alone, small ones until they fill a page. */
const groupsOf = (sizes: readonly { readonly scope_id: string; readonly count: number }[]): string[][] => {
  const groups: string[][] = [];
  let room = 0;
  for (const { scope_id, count } of sizes) {
    if (count > room || groups.length === 0) {
      groups.push([]);
      room = pageSize;
    }
    groups.at(-1)?.push(scope_id);
    room -= count;
  }
  return groups;
};

/** The rows of a table in these scopes, page by page; within a scope, and a group of small ones, the oldest first. */
export async function* scanScopes<Row extends { readonly id: string }>(
  view: Pick<View, 'tx'>,
  table: Table,
  columns: RawBuilder<unknown>,
  scopeIds: readonly string[],
): AsyncGenerator<readonly Row[]> {
  const { rows: sizes } = await sql<{ scope_id: string; count: number }>`${sql.raw(replanEachTime)}
    select scope_id, count(*)::int as count from ${sql.table(`public.${table}`)}
    where scope_id = any(${scopeIds}::uuid[]) group by scope_id
    order by array_position(${scopeIds}::uuid[], scope_id)`.execute(view.tx);
  for (const group of groupsOf(sizes)) yield* scanGroup<Row>(view, table, columns, group);
}

async function* scanGroup<Row extends { readonly id: string }>(
  { tx }: Pick<View, 'tx'>,
  table: Table,
  columns: RawBuilder<unknown>,
  group: readonly string[],
): AsyncGenerator<readonly Row[]> {
  const [only] = group;
  // With one scope, the index on scope and id gives the order.
  const inGroup = group.length === 1 ? sql`t.scope_id = ${only}::uuid` : sql`t.scope_id = any(${group}::uuid[])`;
  for (let after: string = nilId; ; ) {
    const { rows }: { readonly rows: readonly Row[] } = await sql<Row>`${sql.raw(replanEachTime)} select ${columns}
      from ${sql.table(`public.${table}`)} as t where ${inGroup} and t.id > ${after}::uuid
      order by t.id limit ${sql.lit(pageSize)}`.execute(tx);
    yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = last.id;
  }
}
