import type { Clock } from './clock.ts';

/** True for a name that was not news within the last `quietMs`. */
export interface News {
  isNews(name: string): boolean;
  /** Has the name be news again, because nothing came of it. */
  forget(name: string): void;
}

const maxNames = 10_000;

/** Remembers in this process what was reported lately, so that the same is not reported again and again. */
export const createNews = (clock: Clock, quietMs: number): News => {
  const lastSeen = new Map<string, number>();
  return {
    isNews: (name) => {
      const now = clock.now().getTime();
      if (now - (lastSeen.get(name) ?? Number.NEGATIVE_INFINITY) < quietMs) return false;
      if (lastSeen.size >= maxNames) lastSeen.clear();
      lastSeen.set(name, now);
      return true;
    },
    forget: (name) => {
      lastSeen.delete(name);
    },
  };
};
