import * as aroundBodies from './around-bodies.ts';
import { createForge, type Malformed, type World } from './forge.ts';
import * as inAddresses from './in-addresses.ts';
import * as inBodies from './in-bodies.ts';
import * as inMessages from './in-messages.ts';

export { dice, type Malformed, type World } from './forge.ts';
export { bodyless, keyShapes, shapes } from './shapes.ts';

/*
 * Requests that are wrong, in every way that we could think of. Each family makes one at random; all of them are wrong
 * whatever the dice say, so that a test can expect a 4xx of each.
 */

const all = { ...inBodies, ...aroundBodies, ...inAddresses, ...inMessages };

/** Families that are drawn twice as often as the others, or more: there is more of a kind in them. */
const drawn: readonly (keyof typeof all)[] = [
  'wrongField',
  'wrongField',
  'wrongField',
  'missingField',
  'unknownField',
  'prototype',
  'brokenJson',
  'brokenJson',
  'nesting',
  'number',
  'bytesInJson',
  'surrogate',
  'contentType',
  'contentEncoding',
  'path',
  'path',
  'query',
  'query',
  'otherQuery',
  'method',
  'framing',
  'framing',
  'truncated',
  'authorization',
  'header',
  'header',
  'unwanted',
  'tooLarge',
];

export const families = (world: World, roll: () => number): readonly (() => Malformed)[] => {
  const forge = createForge(world, roll);
  return drawn.map((name) => () => all[name](forge));
};
