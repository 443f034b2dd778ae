import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { invalid } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import type { MemoryRelationRow } from '../../db/tables/index.ts';
import type { IdempotentRequest } from '../../idempotency/index.ts';
import type { CreatedRelation, NewRelation } from '../operations.ts';
import { theGraph } from '../read.ts';
import { isDerivedRelation } from '../vocabulary.ts';
import { putAnchors } from './anchors.ts';
import { relationViews } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { markExisting, readMarked } from './marked.ts';
import { authorOf } from './origin.ts';
import { placeIn, sessionsIn, turnsOf } from './places.ts';
import { putRelations } from './put.ts';
import { factIndex, type Holds, type StoredFact, timesOf } from './same-fact.ts';
import type { StoredBy } from './store-observations.ts';
import { type AskedRef, findingsOf, type Target } from './targets.ts';

/** Both ends of each relation, in the order of the relations. */
export const endsAsked = (relations: readonly Pick<NewRelation, 'from' | 'to'>[]): AskedRef[] =>
  relations.flatMap(({ from, to }, at) => [
    { ref: from, field: `relations/${at}/from` },
    { ref: to, field: `relations/${at}/to` },
  ]);

/** Of what `endsAsked` led to, the ends of one relation. */
export const endsAt = (targets: readonly Target[], at: number): { readonly from: Target; readonly to: Target } => {
  const [from, to] = targets.slice(2 * at, 2 * at + 2);
  if (!from || !to) throw new TypeError('an end is missing');
  return { from, to };
};

export const createRelationCreation = (deps: WriteDeps) => {
  const { clock, now, audit, writing, places, settle, targets, seenFacts } = deps;

  const create = async (tx: Tx, caller: Caller, relations: readonly NewRelation[]): Promise<string[]> => {
    const wanted = await places(tx, caller, relations);
    const { value, scopeOf } = await settle(tx, caller, [...wanted.values()], async (tx) => {
      const found = await targets.resolve(tx, caller, endsAsked(relations));
      return findingsOf(found, found);
    });
    const facts = relations.map((one, at) => {
      const { from, to } = endsAt(value, at);
      refuseDerivedRelation(one.type, [from, to], `relations/${at}/type`);
      const { source = null, confidence = null, attributes = {}, type } = one;
      const scope_id = scopeOf(placeIn(wanted, one.session_id)).id;
      const ends = { from_id: from.id, to_id: to.id };
      return { scope_id, ...ends, type, attributes, source, confidence, ...timesOf(one, `relations/${at}`) };
    });
    await putAnchors(tx, value, clock.now());
    const stored = await storeRelations(tx, facts, { ...authorOf(caller), at: clock.now(), now: await now(tx) });
    const counts = { entities: 0, observations: 0, relations: stored.filter((one) => one.created).length };
    const details = { operation: 'createRelations', ...counts, session_ids: sessionsIn(wanted) };
    await audit.allow(tx, caller, 'graph.write', { target: theGraph, details });
    return stored.map(({ id, created }) => markExisting(id, !created));
  };

  return {
    createRelations: async (
      caller: Caller,
      relations: readonly NewRelation[],
      request: IdempotentRequest | null,
    ): Promise<readonly CreatedRelation[]> => {
      for (const [at, one] of relations.entries()) timesOf(one, `relations/${at}`);
      return await writing.create(caller, turnsOf(caller, relations), {
        request,
        create: (tx) => create(tx, caller, relations),
        answer: async (tx, marked) => {
          const items = marked.map(readMarked);
          const ids = items.map((one) => one.id);
          const { ends } = await seenFacts.relations(tx, caller, ids);
          const views = await relationViews(tx, ids, ends);
          return views.map((relation, at) => ({ relation, created: items[at]?.created ?? false }));
        },
      });
    },
  };
};

/** The words of derived relations say something that only Keyhold can know where an end is a derived node. */
const refuseDerivedRelation = (type: string, ends: readonly Target[], field: string): void => {
  if (isDerivedRelation(type) && ends.some((end) => end.derived !== null))
    throw invalid(field, `must not be ${type} where an end is a user, a session, a secret or a use.`);
};

/** A relation to be stored, unless it is there already. */
export interface RelationToStore extends Omit<MemoryRelationRow, 'id' | 'author_id' | 'agent' | 'created_at'> {
  /** When it was recorded; without it, at the time of this write. */
  readonly created_at?: Date;
}

type Said = Pick<MemoryRelationRow, 'scope_id' | 'from_id' | 'to_id' | 'type'>;
type StoredRelation = StoredFact & Said;

export const relationKey = ({ scope_id, from_id, to_id, type }: Said): string =>
  `${scope_id} ${from_id} ${to_id} ${type}`;

/**
 * Stores those relations that do not hold yet, and resolves to the id of each. The scopes of the relations and of their ends
 * are locked.
 */
export const storeRelations = async (
  tx: Tx,
  facts: readonly RelationToStore[],
  { author_id, agent, at, now }: StoredBy,
): Promise<{ readonly id: string; readonly created: boolean }[]> => {
  if (facts.length === 0) return [];
  const index = factIndex<StoredRelation>(await storedRelations(tx, facts), relationKey);
  const rows: MemoryRelationRow[] = [];
  const stored = facts.map((fact) => {
    const existing = index.find(relationKey(fact), fact, now);
    if (existing) return { id: existing.id, created: false };
    const row = { ...fact, id: newId<string>(), author_id, agent, created_at: fact.created_at ?? at };
    rows.push(row);
    index.add(row);
    return { id: row.id, created: true };
  });
  await putRelations(tx, rows);
  return stored;
};

/** Facts that one statement looks for. */
const maxWanted = 1000;

const storedRelations = async (tx: Tx, facts: readonly (Said & Holds)[]): Promise<StoredRelation[]> => {
  const found = new Map<string, StoredRelation>();
  for (let at = 0; at < facts.length; at += maxWanted) {
    const some = facts.slice(at, at + maxWanted);
    const distinct = (column: keyof Said): string[] => [...new Set(some.map((fact) => fact[column]))];
    // The scope is compared afterwards: a condition on it could have the planner read everything in the scope.
    const { rows } = await sql<StoredRelation>`${sql.raw(replanEachTime)}
      select id, scope_id, from_id, to_id, type, valid_at, invalid_at from public.memory_relations
      where from_id = any(${distinct('from_id')}::uuid[]) and to_id = any(${distinct('to_id')}::uuid[])
        and type = any(${distinct('type')}::text[]) order by id`.execute(tx);
    for (const row of rows) found.set(row.id, row);
  }
  return [...found.values()];
};
