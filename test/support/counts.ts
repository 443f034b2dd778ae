/** True in the soak: every random test then runs its full count on a seed of its own. */
export const isFull = process.env['KEYHOLD_TEST_COUNTS'] === 'full';

/** How often a random test runs: its full count in the soak, a tenth otherwise. */
export const count = (soak: number): number => (isFull ? soak : Math.max(1, Math.ceil(soak / 10)));

/** Of a table of cases every one in the soak, and otherwise each third (or `nth`), others of them for each `turn`. */
export const some = <T>(cases: readonly T[], turn: number, nth = 3): readonly T[] =>
  isFull ? cases : cases.filter((_, at) => at % nth === turn % nth);

/** The seed of every random test: fixed, except in the soak, where it is printed. */
export const seed = isFull ? Date.now() & 0x7fffffff : 20261124;

if (isFull) process.stderr.write(`random tests run with seed ${seed}\n`);
