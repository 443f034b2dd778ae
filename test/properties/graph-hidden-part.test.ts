import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modes } from '../../src/graph/operations.ts';
import { isFull, seed } from '../support/counts.ts';
import { insertGraphWorld } from './graph-insert.ts';
import { outcomeOf, questionsOf } from './graph-questions.ts';
import { eyeOf, modeOf } from './graph-rule.ts';
import { type GraphService, startGraph } from './graph-service.ts';
import { visiblePartOf } from './graph-visible-part.ts';
import { anyGraphWorld, graphCallerOf, graphWorldOf } from './graph-worlds.ts';

const macBytes = 16;

/** A cursor without its MAC, whose key each database has its own of. */
const placeOf = (cursor: string): string => Buffer.from(cursor, 'base64url').subarray(macBytes).toString();

/** All that an answer says, to the byte. */
const bytesOf = (outcome: unknown): string =>
  JSON.stringify(outcome, (key, value: unknown) =>
    key === 'next_cursor' && typeof value === 'string' ? placeOf(value) : value,
  );

describe('what answers of the memory graph tell about what is hidden', () => {
  let complete: GraphService;
  let reduced: GraphService;
  beforeAll(async () => {
    [complete, reduced] = [await startGraph(), await startGraph()];
  });
  afterAll(async () => {
    await complete.close();
    await reduced.close();
  });

  it('a world with and without what is hidden from a caller answers alike, byte for byte', async () => {
    const property = fc.asyncProperty(anyGraphWorld, async (draft) => {
      const world = graphWorldOf(draft);
      await insertGraphWorld(complete.db, complete.seals, world);
      for (const service of [complete, reduced]) service.clock.set(world.base.clock);
      const [first] = draft.callers;
      if (first === undefined) return;
      const caller = graphCallerOf(draft, world.base, first);
      for (const [turn, mode] of modes.entries()) {
        const actual = modeOf(world, caller, mode);
        if (actual === 'invalid_request' || actual === 'permission_missing') continue;
        await reduced.empty();
        await insertGraphWorld(reduced.db, reduced.seals, visiblePartOf(eyeOf(world, caller, actual)));
        for (const question of questionsOf(world, caller, mode, draft.pick + turn)) {
          const [all, part] = [await outcomeOf(complete.graph, question), await outcomeOf(reduced.graph, question)];
          const who = `${first.kind} of ${caller.userId} in ${caller.session}, mode ${mode}`;
          expect(bytesOf(all), `${question.title}, asked by a ${who}`).toBe(bytesOf(part));
        }
      }
    });
    await fc.assert(property, {
      numRuns: isFull ? 500 : 6,
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
