import { createHash } from 'node:crypto';

/*
 * How much of a test `npm test` runs, and how much the soak (KEYHOLD_TEST_COUNTS=full). Every test reads it here.
 */

/** True in the soak: every table is tried whole, and every random test runs its full count on a seed of its own. */
export const isFull = process.env['KEYHOLD_TEST_COUNTS'] === 'full';

/** How often a random test runs: its full count in the soak, a tenth otherwise. */
export const count = (soak: number): number => (isFull ? soak : Math.max(1, Math.ceil(soak / 10)));

const hash = (name: string): number => createHash('sha256').update(name).digest().readUInt32BE();

/**
 * Whether `npm test` tries the case of this name, one of `share`. It depends on nothing but the name: the same cases are
 * tried in every run, in whatever order, and with `-t` too. `turn` (0 to `share` - 1) chooses another share, so that
 * several tests can divide one table among them. The soak tries every case.
 */
export const sampled = (name: string, share: number, turn = 0): boolean =>
  isFull || hash(name) % share === turn % share;

/**
 * The cases that are `sampled`, and at least one of them: where the share is empty, the case with the lowest hash. A case
 * is named by its content where `nameOf` says nothing else.
 */
export const some = <T>(
  cases: readonly T[],
  turn: number,
  share = 3,
  nameOf: (one: T) => string = (one) => JSON.stringify(one),
): readonly T[] => {
  const chosen = cases.filter((one) => sampled(nameOf(one), share, turn));
  if (chosen.length > 0) return chosen;
  return cases.toSorted((a, b) => hash(nameOf(a)) - hash(nameOf(b))).slice(0, 1);
};

/** The seed of every random test: fixed, except in the soak, where it is printed. */
export const seed = isFull ? Date.now() & 0x7fffffff : 20261124;

if (isFull) process.stderr.write(`random tests run with seed ${seed}\n`);
