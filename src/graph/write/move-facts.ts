import { sql } from 'kysely';
import { KeyholdError } from '../../core/errors.ts';
import { nilId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import { relationKey } from './relations.ts';
import { factIndex, type StoredFact } from './same-fact.ts';
import { observationKey } from './store-observations.ts';

/*
 * Moves what is known of one entity to another, when the two are merged. The scope of both is locked, and with it every fact
 * about them in whichever scope, since whoever writes such a fact locks the scopes of its ends.
 */

/** Rows that one statement moves: each has an entry in several indexes. */
const maxRows = 1000;

/** More facts than these take longer to move than anybody would wait, and nobody can write to the memory meanwhile. */
const maxObservations = 10_000;
const maxRelations = 50_000;

/** Throws `state_conflict` for an entity of which too much is known to move it. */
export const refuseHub = async (tx: Tx, id: string): Promise<void> => {
  const counted = (table: string, end: string, limit: number) =>
    sql`(select count(*) from (select 1 from ${sql.table(`public.${table}`)} where ${sql.ref(end)} = ${id}
      limit ${sql.lit(limit + 1)}) as facts)`;
  const { rows } = await sql<{ observations: number; relations: number }>`
    select ${counted('memory_observations', 'entity_id', maxObservations)} as observations,
      ${counted('memory_relations', 'from_id', maxRelations)}
        + ${counted('memory_relations', 'to_id', maxRelations)} as relations`.execute(tx);
  const { observations = 0, relations = 0 } = rows[0] ?? {};
  if (observations > maxObservations) throw tooMany(`${maxObservations} observations`);
  if (relations > maxRelations) throw tooMany(`${maxRelations} relations`);
};

const tooMany = (what: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `The entity has more than ${what}, which are too many to move. Merge the other entity into this one.`,
  );

type Observation = StoredFact & { readonly entity_id: string; readonly scope_id: string; readonly digest: Buffer };

/** The next observations of an entity, after one of them. */
const observationsAfter = async (tx: Tx, entityId: string, after: string): Promise<Observation[]> => {
  const { rows } = await sql<Observation>`select id, entity_id, scope_id, digest, valid_at, invalid_at
    from public.memory_observations where entity_id = ${entityId} and id > ${after}
    order by id limit ${sql.lit(maxRows)}`.execute(tx);
  return rows;
};

const sameAt = async (tx: Tx, entityId: string, facts: readonly Observation[]): Promise<Observation[]> => {
  const digests = [...new Set(facts.map((fact) => fact.digest.toString('hex')))];
  const { rows } = await sql<Observation>`${sql.raw(replanEachTime)} select id, entity_id, scope_id, digest, valid_at,
      invalid_at from public.memory_observations where entity_id = ${entityId}
      and digest = any(array(select decode(d, 'hex') from unnest(${digests}::text[]) as d))`.execute(tx);
  return rows;
};

/** Moves the observations; of two that say the same and are one fact, the survivor's stays. */
export const moveObservations = async (tx: Tx, from: string, to: string, now: Date): Promise<void> => {
  for (let after = nilId; ; ) {
    const facts = await observationsAfter(tx, from, after);
    if (facts.length === 0) return;
    after = facts.at(-1)?.id ?? after;
    const index = factIndex(await sameAt(tx, to, facts), observationKey);
    const moved: string[] = [];
    for (const fact of facts) {
      const there = { ...fact, entity_id: to };
      if (index.find(observationKey(there), there, now)) continue;
      index.add(there);
      moved.push(fact.id);
    }
    await sql`update public.memory_observations set entity_id = ${to} where id = any(${moved}::uuid[])`.execute(tx);
    const moves = new Set(moved);
    const doubled = facts.filter((fact) => !moves.has(fact.id)).map((fact) => fact.id);
    await sql`delete from public.memory_observations where id = any(${doubled}::uuid[])`.execute(tx);
  }
};

type Relation = StoredFact & {
  readonly scope_id: string;
  readonly from_id: string;
  readonly to_id: string;
  readonly type: string;
};

const relationColumns = sql`id, scope_id, from_id, to_id, type, valid_at, invalid_at`;

/** The next relations of an entity, after one of them. */
const relationsAfter = async (tx: Tx, entityId: string, after: string): Promise<Relation[]> => {
  const next = (end: string) => sql`(select ${relationColumns} from public.memory_relations
    where ${sql.ref(end)} = ${entityId} and id > ${after} order by id limit ${sql.lit(maxRows)})`;
  const { rows } = await sql<Relation>`${next('from_id')} union ${next('to_id')} order by id
    limit ${sql.lit(maxRows)}`.execute(tx);
  return rows;
};

/** The relations of an entity with any of these at the other end. */
const between = async (tx: Tx, entityId: string, others: readonly string[]): Promise<Relation[]> => {
  const { rows } = await sql<Relation>`${sql.raw(replanEachTime)} select ${relationColumns} from public.memory_relations
      where from_id = ${entityId} and to_id = any(${others}::uuid[])
    union select ${relationColumns} from public.memory_relations
      where to_id = ${entityId} and from_id = any(${others}::uuid[])`.execute(tx);
  return rows;
};

/** Moves the relations; those between the two vanish, and of two that say the same and are one fact, the survivor's stays. */
export const moveRelations = async (tx: Tx, from: string, to: string, now: Date): Promise<void> => {
  const toEnd = (id: string): string => (id === from ? to : id);
  const isBetween = (fact: Relation): boolean =>
    (fact.from_id === from && fact.to_id === to) || (fact.from_id === to && fact.to_id === from);
  for (let after = nilId; ; ) {
    const facts = await relationsAfter(tx, from, after);
    if (facts.length === 0) return;
    after = facts.at(-1)?.id ?? after;
    const others = [...new Set(facts.flatMap((fact) => [toEnd(fact.from_id), toEnd(fact.to_id)]))];
    const index = factIndex(await between(tx, to, others), relationKey);
    const moved = facts.filter((fact) => {
      const there = { ...fact, from_id: toEnd(fact.from_id), to_id: toEnd(fact.to_id) };
      if (isBetween(fact) || index.find(relationKey(there), there, now)) return false;
      index.add(there);
      return true;
    });
    const moves = new Set(moved);
    const gone = facts.filter((fact) => !moves.has(fact)).map((fact) => fact.id);
    await sql`delete from public.memory_relations where id = any(${gone}::uuid[])`.execute(tx);
    await sql`update public.memory_relations
      set from_id = case from_id when ${from} then ${to} else from_id end,
        to_id = case to_id when ${from} then ${to} else to_id end
      where id = any(${moved.map((fact) => fact.id)}::uuid[])`.execute(tx);
  }
};
