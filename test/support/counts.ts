/** True in the soak: every random test then runs its full count on a seed of its own. */
export const isFull = process.env['KEYHOLD_TEST_COUNTS'] === 'full';

/** How often a random test runs: its full count in the soak, a tenth otherwise. */
export const count = (soak: number): number => (isFull ? soak : Math.max(1, Math.ceil(soak / 10)));

/** Of a table of cases every one in the soak, and otherwise each third, another third for each `turn`. */
export const some = <T>(cases: readonly T[], turn: number): readonly T[] =>
  isFull ? cases : cases.filter((_, at) => at % 3 === turn % 3);

/** The seed of every random test: fixed, except in the soak, where it is printed. */
export const seed = isFull ? Date.now() & 0x7fffffff : 20261124;

if (isFull) process.stderr.write(`random tests run with seed ${seed}\n`);
