import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { modes } from '../../src/graph/operations.ts';
import { isFull, seed } from '../support/counts.ts';
import { insertGraphWorld } from './graph-insert.ts';
import { outcomeOf, questionsOf } from './graph-questions.ts';
import { type GraphService, startGraph } from './graph-service.ts';
import { anyGraphWorld, graphCallerOf, graphWorldOf } from './graph-worlds.ts';

describe('what a read of the memory graph shows', () => {
  let service: GraphService;
  beforeAll(async () => {
    service = await startGraph();
  });
  afterAll(() => service.close());

  it('every read shows exactly what the rule allows, to every caller, in every mode and generated world', async () => {
    const property = fc.asyncProperty(anyGraphWorld, async (draft) => {
      const world = graphWorldOf(draft);
      await insertGraphWorld(service.db, service.seals, world);
      service.clock.set(world.base.clock);
      for (const [at, one] of draft.callers.entries()) {
        const caller = graphCallerOf(draft, world.base, one);
        for (const [turn, mode] of [undefined, ...modes].entries())
          for (const question of questionsOf(world, caller, mode, draft.pick + 4 * at + turn)) {
            const outcome = await outcomeOf(service.graph, question);
            try {
              question.check(outcome);
            } catch (error) {
              const who = `${one.kind} of ${caller.userId} in ${caller.session}, mode ${mode}`;
              throw new Error(`${question.title}, asked by a ${who}: ${(error as Error).message}`, { cause: error });
            }
          }
      }
    });
    await fc.assert(property, {
      numRuns: isFull ? 500 : 8,
      seed: seed,
      endOnFailure: true,
      reporter: (out) => {
        if (out.failed) {
          process.stderr.write(`${out.counterexamplePath} ${JSON.stringify(out.counterexample)}\n`);
          throw out.errorInstance;
        }
      },
    });
  }, 3_600_000);
});
