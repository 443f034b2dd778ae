import { isFull } from './counts.ts';

/** How much longer than on a machine of its own something may take here: CI runs on few and busy cores, the soak on a quiet machine. */
const slowness = isFull ? 1 : 12;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A bound of the product as a deadline for this machine. */
export const withPatience = (boundMs: number): number => boundMs * slowness;

/** Asks again and again until the answer is true; resolves to how long that took. Throws when it takes too long. */
export const until = async (what: string, boundMs: number, holds: () => Promise<boolean>): Promise<number> => {
  const begun = performance.now();
  for (;;) {
    if (await holds()) return Math.round(performance.now() - begun);
    if (performance.now() - begun > withPatience(boundMs)) throw new Error(`it took too long until ${what}`);
    await pause(20);
  }
};

/** Median and worst of some durations, for the figures that a test prints. */
export const figures = (durations: readonly number[]): string => {
  const sorted = [...durations].sort((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, worst ${sorted.at(-1)} ms, of ${sorted.length}`;
};
