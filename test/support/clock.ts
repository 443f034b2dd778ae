import type { Clock } from '../../src/core/clock.ts';

/** A clock that does not move until a test moves it. */
export interface SettableClock extends Clock {
  set(date: Date): void;
  advance(milliseconds: number): void;
}

export const settableClock = (start = new Date()): SettableClock => {
  let at = start.getTime();
  return {
    now: () => new Date(at),
    set: (date) => {
      at = date.getTime();
    },
    advance: (milliseconds) => {
      at += milliseconds;
    },
  };
};
