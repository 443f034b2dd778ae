import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modes } from '../../src/graph/operations.ts';
import { outcomeOf } from './graph-asked.ts';
import { assertInWorlds } from './graph-assert.ts';
import { insertGraphWorld } from './graph-insert.ts';
import { questionsOf } from './graph-questions.ts';
import { eyeOf, modeOf } from './graph-rule.ts';
import { type GraphService, startGraph } from './graph-service.ts';
import { visiblePartOf } from './graph-visible-part.ts';
import { type GraphDraft, graphCallerOf, graphWorldOf } from './graph-worlds.ts';

const macBytes = 16;

/** A cursor without its MAC, for which each database has a key of its own. */
const placeOf = (cursor: string): string => Buffer.from(cursor, 'base64url').subarray(macBytes).toString();

/** All that an answer says, to the byte. */
const bytesOf = (outcome: unknown): string =>
  JSON.stringify(outcome, (key, value: unknown) =>
    key === 'next_cursor' && typeof value === 'string' ? placeOf(value) : value,
  );

interface Services {
  readonly complete: GraphService;
  /** The one whose database has what the caller can see, and nothing else. */
  readonly reduced: GraphService;
}

const compare = async ({ complete, reduced }: Services, draft: GraphDraft): Promise<void> => {
  const world = graphWorldOf(draft);
  await insertGraphWorld(complete.db, complete.seals, world);
  for (const service of [complete, reduced]) service.clock.set(world.base.clock);
  for (const one of draft.callers.slice(0, 1)) {
    const caller = graphCallerOf(draft, world.base, one);
    for (const [turn, mode] of modes.entries()) {
      const actual = modeOf(world, caller, mode);
      if (actual === 'invalid_request' || actual === 'permission_missing') continue;
      await reduced.empty();
      await insertGraphWorld(reduced.db, reduced.seals, visiblePartOf(eyeOf(world, caller, actual)));
      for (const question of questionsOf(world, caller, mode, draft.pick + turn)) {
        const [all, part] = [await outcomeOf(complete.graph, question), await outcomeOf(reduced.graph, question)];
        const who = `${one.kind} of ${caller.userId} in ${caller.session}, mode ${mode}`;
        expect(bytesOf(all), `${question.operation} ${question.about}, asked by a ${who}`).toBe(bytesOf(part));
      }
    }
  }
};

describe('what answers of the memory graph tell about what is hidden', () => {
  let services: Services;
  beforeAll(async () => {
    services = { complete: await startGraph(), reduced: await startGraph() };
  });
  afterAll(async () => {
    await services.complete.close();
    await services.reduced.close();
  });

  it('a world with and without what is hidden from a caller answers alike, byte for byte', async () => {
    await assertInWorlds(5, (draft) => compare(services, draft));
  }, 3_600_000);
});
