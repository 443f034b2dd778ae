import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modes } from '../../src/graph/operations.ts';
import { isFull } from '../support/counts.ts';
import { codeOf, outcomeOf } from './graph-asked.ts';
import { assertInWorlds } from './graph-assert.ts';
import { insertGraphWorld } from './graph-insert.ts';
import { questionsOf } from './graph-questions.ts';
import { type GraphService, startGraph } from './graph-service.ts';
import { type GraphDraft, graphCallerOf, graphWorldOf } from './graph-worlds.ts';

/** Which outcomes the worlds have led to: what never came up was not tested. */
const met = new Set<string>();

/** All that can come of a read. */
const outcomes = [
  'activities: answered',
  'activities: not_found',
  'export: answered',
  'export: not_found',
  'get: answered',
  'get: not_found',
  'neighbourhood: answered',
  'neighbourhood: not_found',
  'path: answered',
  'path: not_found',
  'resolve: answered',
  'resolve: not_found',
  'resolve: state_conflict',
  'search: answered',
  'search: invalid_request',
  'search: permission_missing',
  'secretsOfUser: answered',
  'secretsOfUser: not_found',
  'sessionsOfUser: answered',
  'sessionsOfUser: not_found',
  'whole: answered',
];

const check = async (service: GraphService, draft: GraphDraft): Promise<void> => {
  const world = graphWorldOf(draft);
  await insertGraphWorld(service.db, service.seals, world);
  service.clock.set(world.base.clock);
  for (const [at, one] of draft.callers.entries()) {
    const caller = graphCallerOf(draft, world.base, one);
    for (const [turn, mode] of [undefined, ...modes].entries())
      for (const question of questionsOf(world, caller, mode, draft.pick + 4 * at + turn)) {
        const outcome = await outcomeOf(service.graph, question);
        met.add(`${question.operation}: ${codeOf(outcome) ?? 'answered'}`);
        try {
          question.check(outcome);
        } catch (error) {
          const who = `${one.kind} of ${caller.userId} in ${caller.session}, mode ${mode}`;
          const asked = `${question.operation} ${question.about}, asked by a ${who}`;
          throw new Error(`${asked}: ${(error as Error).message}`, { cause: error });
        }
      }
  }
};

describe('what a read of the memory graph shows', () => {
  let service: GraphService;
  beforeAll(async () => {
    service = await startGraph();
  });
  afterAll(() => service.close());

  it('every read shows exactly what the rule allows, to every caller, in every mode and generated world', async () => {
    await assertInWorlds(6, (draft) => check(service, draft));
    // A few worlds do not lead to every outcome. All of the soak's do.
    const expected = isFull ? outcomes : outcomes.filter((one) => met.has(one) || one.endsWith(': answered'));
    expect([...met].sort()).toEqual(expected);
  }, 3_600_000);
});
