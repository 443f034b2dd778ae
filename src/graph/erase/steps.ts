import { type RawBuilder, sql } from 'kysely';
import type { UserId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { MemoryReceipt } from '../operations.ts';

export type Counts = { -readonly [Name in keyof MemoryReceipt]: number };

export const noCounts = (): Counts => ({
  entities: 0,
  observations: 0,
  relations: 0,
  names: 0,
  metadata: 0,
  uses: 0,
  anonymised: 0,
});

/** One kind of what somebody leaves behind. It works on `limit` rows at most and resolves to how many these were. */
export type Step = (tx: Tx, counts: Counts, userId: UserId, limit: number) => Promise<number>;

const ownScope = (userId: UserId): RawBuilder<unknown> =>
  sql`(select id from public.memory_scopes where user_id = ${userId})`;

/** Deletes rows by their ids, `limit` at most. */
const remove = async (tx: Tx, table: string, chosen: RawBuilder<unknown>, limit: number): Promise<number> => {
  const { numAffectedRows } = await sql`delete from ${sql.table(`public.${table}`)} where id = any(array(
    select id from (${chosen}) as c limit ${sql.lit(limit)}))`.execute(tx);
  return Number(numAffectedRows ?? 0);
};

/** What the user or their agents wrote, and what lies in their own scope, whoever wrote it. */
const theirs = (table: string, userId: UserId): RawBuilder<unknown> =>
  sql`select id from ${sql.table(`public.${table}`)} where author_id = ${userId}
    union all select id from ${sql.table(`public.${table}`)} where scope_id = ${ownScope(userId)}`;

const counted =
  (name: 'relations' | 'observations', table: string): Step =>
  async (tx, counts, userId, limit) => {
    const done = await remove(tx, table, theirs(table, userId), limit);
    counts[name] += done;
    return done;
  };

const uses: Step = async (tx, counts, userId, limit) => {
  const { numAffectedRows } = await sql`delete from public.memory_uses where use_id = any(array(
    select u.use_id from public.memory_entities as e join public.memory_uses as u on u.activity_id = e.id
    where e.author_id = ${userId} limit ${sql.lit(limit)}))`.execute(tx);
  const done = Number(numAffectedRows ?? 0);
  counts.uses += done;
  return done;
};

/** Their names and aliases: those of their own entities, and of what they recorded in sessions. */
const names: Step = async (tx, counts, userId, limit) => {
  const { numAffectedRows } = await sql`delete from public.memory_names where (scope_id, name) in (
    select n.scope_id, n.name from (${theirs('memory_entities', userId)}) as e
    join public.memory_names as n on n.entity_id = e.id limit ${sql.lit(limit)})`.execute(tx);
  const done = Number(numAffectedRows ?? 0);
  counts.names += done;
  return done;
};

/** What is left of others on an entity, now that the user's own facts are gone. */
const othersFacts = sql`(exists (select 1 from public.memory_observations as o where o.entity_id = e.id)
  or exists (select 1 from public.memory_relations as r where r.from_id = e.id)
  or exists (select 1 from public.memory_relations as r where r.to_id = e.id))`;

/** An entity on which facts of others depend keeps its id, and loses whatever the user said of it. */
const anonymised: Step = async (tx, counts, userId, limit) => {
  const { numAffectedRows } = await sql`update public.memory_entities set name = null, attributes = '{}', tags = '[]',
      is_activity = false, author_id = null, agent = null, search = '', keys = '{}', version = version + 1
    where id = any(array(select e.id from public.memory_entities as e where e.author_id = ${userId}
      and e.scope_id is distinct from ${ownScope(userId)} and ${othersFacts} limit ${sql.lit(limit)}))`.execute(tx);
  const done = Number(numAffectedRows ?? 0);
  counts.anonymised += done;
  return done;
};

const entities: Step = async (tx, counts, userId, limit) => {
  const done = await remove(tx, 'memory_entities', theirs('memory_entities', userId), limit);
  counts.entities += done;
  return done;
};

const metadata: Step = async (tx, counts, userId, limit) => {
  const { numAffectedRows } = await sql`delete from public.memory_metadata where (entity_id, scope_id) in (
    select entity_id, scope_id from public.memory_metadata where scope_id = ${ownScope(userId)}
    limit ${sql.lit(limit)})`.execute(tx);
  const done = Number(numAffectedRows ?? 0);
  counts.metadata += done;
  return done;
};

/** In this order: an entity of theirs is deleted when nothing but facts of others can be left on it. */
export const steps: readonly Step[] = [
  counted('relations', 'memory_relations'),
  counted('observations', 'memory_observations'),
  uses,
  names,
  anonymised,
  entities,
  metadata,
];
