import type { Caller } from '../../core/caller.ts';
import type { Tx } from '../../db/database.ts';
import type { IdempotentRequest } from '../../idempotency/index.ts';
import type { AddedObservation, NewObservations } from '../operations.ts';
import { theGraph } from '../read.ts';
import { putAnchors } from './anchors.ts';
import { observationViews } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { markExisting, readMarked } from './marked.ts';
import { authorOf } from './origin.ts';
import { placeIn, sessionsIn, turnsOf } from './places.ts';
import { timesOf } from './same-fact.ts';
import { storeObservations } from './store-observations.ts';
import { findingsOf } from './targets.ts';

export const createObservationCreation = ({
  clock,
  now,
  audit,
  writing,
  places,
  settle,
  targets,
  seenFacts,
}: WriteDeps) => {
  const create = async (tx: Tx, caller: Caller, observations: readonly NewObservations[]): Promise<string[]> => {
    const wanted = await places(tx, caller, observations);
    const asked = observations.map((one, at) => ({ ref: one.entity, field: `observations/${at}/entity` }));
    const { value, scopeOf } = await settle(tx, caller, [...wanted.values()], async (tx) => {
      const found = await targets.resolve(tx, caller, asked);
      return findingsOf(found, found);
    });
    await putAnchors(tx, value, clock.now());
    const facts = observations.flatMap(({ contents, source = null, confidence = null, ...one }, at) => {
      const entity_id = value[at]?.id ?? '';
      const scope_id = scopeOf(placeIn(wanted, one.session_id)).id;
      const times = timesOf(one, `observations/${at}`);
      return contents.map((content) => ({ entity_id, scope_id, content, source, confidence, ...times }));
    });
    const by = { ...authorOf(caller), at: clock.now(), now: await now(tx) };
    const stored = await storeObservations(tx, facts, by);
    const counts = { entities: 0, observations: stored.filter((one) => one.created).length, relations: 0 };
    const details = { operation: 'addObservations', ...counts, session_ids: sessionsIn(wanted) };
    await audit.allow(tx, caller, 'graph.write', { target: theGraph, details });
    return stored.map(({ id, created }) => markExisting(id, !created));
  };

  return {
    addObservations: async (
      caller: Caller,
      observations: readonly NewObservations[],
      request: IdempotentRequest | null,
    ): Promise<readonly AddedObservation[]> => {
      for (const [at, one] of observations.entries()) timesOf(one, `observations/${at}`);
      return await writing.create(caller, turnsOf(caller, observations), {
        request,
        create: (tx) => create(tx, caller, observations),
        answer: async (tx, marked, repeated) => {
          const items = marked.map(readMarked);
          const ids = items.map((one) => one.id);
          if (repeated) await seenFacts.observations(tx, caller, ids);
          const views = await observationViews(tx, ids);
          return views.map((view, at) => ({ ...view, created: items[at]?.created ?? false }));
        },
      });
    },
  };
};
