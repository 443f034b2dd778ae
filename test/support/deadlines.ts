import { isFull } from './counts.ts';

/** How much longer something may take here than on an idle machine: CI has few and busy cores, the soak runs on an idle machine. */
const slowness = isFull ? 1 : 12;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A time limit of the product as a deadline for this machine, in milliseconds. */
export const deadlineFor = (boundMs: number): number => boundMs * slowness;

/** Repeats `holds` until it resolves to true. Resolves to how long that took in milliseconds, and rejects after the deadline. */
export const until = async (what: string, boundMs: number, holds: () => Promise<boolean>): Promise<number> => {
  const startedAt = performance.now();
  for (;;) {
    if (await holds()) return Math.round(performance.now() - startedAt);
    if (performance.now() - startedAt > deadlineFor(boundMs)) throw new Error(`it took too long until ${what}`);
    await pause(20);
  }
};

/** The median and the maximum of some durations, as text for the output of a test. */
export const figures = (durations: readonly number[]): string => {
  const sorted = [...durations].sort((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, worst ${sorted.at(-1)} ms, of ${sorted.length}`;
};
