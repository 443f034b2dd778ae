import { expect } from 'vitest';
import type { Caller } from '../../src/core/caller.ts';
import type { Mode } from '../../src/graph/operations.ts';
import { exported } from './graph-ask-export.ts';
import { activities, listOfUser, whole } from './graph-ask-lists.ts';
import { get, resolve, search } from './graph-ask-nodes.ts';
import { neighbourhood, path } from './graph-ask-walks.ts';
import { type Asked, asOfOf, chooser, codeOf, type Question } from './graph-asked.ts';
import { eyeOf, modeOf } from './graph-rule.ts';
import type { GraphWorld } from './graph-worlds.ts';

/* What is asked of a world. */

const kinds: readonly ((asked: Asked) => Question)[] = [
  ...[whole, activities, resolve, resolve, exported, exported],
  ...[get, get, get, search, search, search],
  ...[neighbourhood, neighbourhood, path, path],
  (asked) => listOfUser(asked, 'sessionsOfUser'),
  (asked) => listOfUser(asked, 'secretsOfUser'),
];

/** A question in a mode in which the caller may not ask. */
const refusedMode = (caller: Caller, mode: Mode | undefined, code: string): Question => ({
  operation: 'search',
  about: 'in a mode that is refused',
  ask: (graph) => graph.search(caller, { ...(mode === undefined ? {} : { mode }), q: 'tagged', limit: 10 }),
  check: (outcome) => {
    expect(codeOf(outcome)).toBe(code);
  },
});

/** What one caller asks of a world in one mode. */
export const questionsOf = (world: GraphWorld, caller: Caller, mode: Mode | undefined, pick: number): Question[] => {
  const actual = modeOf(world, caller, mode);
  if (actual === 'invalid_request' || actual === 'permission_missing') return [refusedMode(caller, mode, actual)];
  const eye = eyeOf(world, caller, actual);
  const choose = chooser(pick);
  const asked = { world, caller, eye, choose };
  const given = mode === undefined ? {} : { mode };
  return kinds.map((question) => question({ ...asked, reading: { ...given, ...asOfOf(world, choose) } }));
};
