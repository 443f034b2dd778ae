import { KeyholdError } from '../../core/errors.ts';

/** More writes than this wait in one process for the same memory only if nobody could wait for their answers. */
const maxWaiting = 1000;

export type Turns = ReturnType<typeof createTurns>;

/**
 * Lets the writes of one memory in this process follow one another before they take a connection. Many clients who write to
 * one memory would otherwise wait for its row with a connection each, and use up the pool. Nothing relies on it but speed:
 * services do not know of each other's turns, and the locks in the database decide.
 */
export const createTurns = () => {
  const tails = new Map<string, Promise<unknown>>();
  const waiting = new Map<string, number>();

  const count = (key: string, by: number): void => {
    const now = (waiting.get(key) ?? 0) + by;
    if (now === 0) waiting.delete(key);
    else waiting.set(key, now);
  };

  const inTurn = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    if ((waiting.get(key) ?? 0) >= maxWaiting) throw tooMany();
    count(key, 1);
    const mine = (tails.get(key) ?? Promise.resolve()).then(work).finally(() => count(key, -1));
    const tail = mine
      .catch(() => undefined)
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return mine;
  };

  return {
    /** Runs `work` when its turn has come for all of these keys, which everybody waits for in the same order. */
    take: async <T>(keys: readonly string[], work: () => Promise<T>): Promise<T> => {
      const sorted = [...new Set(keys)].sort();
      const next = (at: number): Promise<T> => {
        const key = sorted[at];
        return key === undefined ? work() : inTurn(key, () => next(at + 1));
      };
      return await next(0);
    },
  };
};

const tooMany = (): KeyholdError =>
  new KeyholdError('overloaded', 'Too many writes wait for this memory. Try again shortly.', { retryAfterSeconds: 1 });
