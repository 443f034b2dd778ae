/** The middle of a list that is not empty. */
export const median = (list: readonly number[]): number => quantile(list, 0.5);

/** The smallest value that `part` (0 to 1) of the list does not exceed. */
export const quantile = (list: readonly number[], part: number): number => {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
};

/** A figure measured in several rounds. */
export interface Figure {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export const figure = (rounds: readonly number[]): Figure => ({
  median: median(rounds),
  least: Math.min(...rounds),
  most: Math.max(...rounds),
});

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
