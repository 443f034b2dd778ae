import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { Tx } from '../../db/database.ts';
import type { ObservationView, RememberedEdge } from '../model.ts';
import { theGraph } from '../read.ts';
import { observationViews, relationViews } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { sessionOver } from './errors.ts';
import { type SeenFact, withFacts } from './facts.ts';
import { turnOf } from './places.ts';
import { type Holds, isOneFact, refuseEarlyEnd, type StoredFact } from './same-fact.ts';
import { findingsOf } from './targets.ts';

/** The one fact of the request. Throws `state_conflict` in an ended session. */
const onlyOpen = <Fact extends SeenFact>(facts: readonly Fact[]): Fact => {
  const [fact] = facts;
  if (!fact) throw new TypeError('a fact is missing');
  if (fact.state === 'ended') throw sessionOver(null);
  return fact;
};

export const createEndings = ({ now, audit, writing, settle, seenFacts }: WriteDeps) => {
  const kindOf = (caller: Caller) => ({ action: 'graph.update', turns: [turnOf(caller)] }) as const;

  const save = async (
    tx: Tx,
    caller: Caller,
    { table, operation }: { readonly table: string; readonly operation: string },
    { id, invalid_at }: Pick<StoredFact, 'id' | 'invalid_at'>,
  ): Promise<void> => {
    await sql`update ${sql.table(`public.${table}`)} set invalid_at = ${invalid_at} where id = ${id}`.execute(tx);
    await audit.allow(tx, caller, 'graph.update', { target: theGraph, details: { operation, id } });
  };

  return {
    endObservation: (caller: Caller, id: string, invalidAt: Date | null): Promise<ObservationView> =>
      writing.change(caller, kindOf(caller), async (tx) => {
        const { value: fact } = await settle(tx, caller, [], async (tx) => {
          const { facts, targets } = await seenFacts.observations(tx, caller, [id]);
          return withFacts(findingsOf(null, targets), facts, onlyOpen(facts));
        });
        const after = { ...fact, invalid_at: invalidAt };
        refuseEarlyEnd(after, 'invalid_at');
        const { rows } = await sql<StoredFact>`select id, valid_at, invalid_at from public.memory_observations
          where entity_id = ${fact.entity_id} and digest = ${fact.digest}
            and coalesce(scope_id, scope_id) = ${fact.scope_id}`.execute(tx);
        refuseSecond(after, rows, await now(tx));
        await save(tx, caller, { table: 'memory_observations', operation: 'endObservation' }, after);
        const [view] = await observationViews(tx, [fact.id]);
        if (!view) throw new TypeError('the observation is missing');
        return view.observation;
      }),

    endRelation: (caller: Caller, id: string, invalidAt: Date | null): Promise<RememberedEdge> =>
      writing.change(caller, kindOf(caller), async (tx) => {
        const { value } = await settle(tx, caller, [], async (tx) => {
          const { facts, ends, targets } = await seenFacts.relations(tx, caller, [id]);
          return withFacts(findingsOf(null, targets), facts, { fact: onlyOpen(facts), ends });
        });
        const { fact, ends } = value;
        const after = { ...fact, invalid_at: invalidAt };
        refuseEarlyEnd(after, 'invalid_at');
        const { rows } = await sql<StoredFact>`select id, valid_at, invalid_at from public.memory_relations
          where from_id = ${fact.from_id} and to_id = ${fact.to_id} and type = ${fact.type}
            and coalesce(scope_id, scope_id) = ${fact.scope_id}`.execute(tx);
        refuseSecond(after, rows, await now(tx));
        await save(tx, caller, { table: 'memory_relations', operation: 'endRelation' }, after);
        const [view] = await relationViews(tx, [fact.id], ends);
        if (!view) throw new TypeError('the relation is missing');
        return view;
      }),
  };
};

/** A fact that holds again must not become the second of its kind. */
const refuseSecond = (after: StoredFact & Holds, stored: readonly StoredFact[], now: Date): void => {
  const other = stored.find((one) => one.id !== after.id && isOneFact(one, after, now));
  if (other)
    throw new KeyholdError(
      'state_conflict',
      `The same fact is there already, with these times or holding still: ${other.id}. Change that one.`,
    );
};
