import fc from 'fast-check';
import { isFull, seed } from '../support/counts.ts';
import { anyGraphWorld, type GraphDraft } from './graph-worlds.ts';

/**
 * Asserts that something holds in generated worlds: 500 of them in the soak. A failure is not shrunk, since each attempt
 * takes seconds; the world is printed.
 */
export const assertInWorlds = (runs: number, holds: (draft: GraphDraft) => Promise<void>): Promise<void> =>
  fc.assert(fc.asyncProperty(anyGraphWorld, holds), {
    numRuns: isFull ? 500 : runs,
    seed,
    endOnFailure: true,
    reporter: ({ failed, counterexample, counterexamplePath, errorInstance }) => {
      if (!failed) return;
      process.stderr.write(`seed ${seed}, path ${counterexamplePath}: ${JSON.stringify(counterexample)}\n`);
      throw errorInstance;
    },
  });
