export interface BatchOptions {
  /** The maximum number of keys in a batch. */
  readonly maxBatchSize: number;
  /** How many batches may run at the same time. Keys that arrive meanwhile form the next batch. */
  readonly concurrency: number;
  /** Whether a failure concerns every key, so that retrying each key alone would only fail again. */
  readonly isSharedFailure: (error: unknown) => boolean;
}

interface Waiting<K, V> {
  readonly key: K;
  readonly resolve: (value: V | Promise<V>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs keys that arrive together as one batch: those of one turn of the event loop, or those that arrive while earlier
 * batches run. A batch is closed before `run` is called, so no result is older than its request. `run` returns one result
 * for each key, in order; one that is a promise still is waited for by its key alone. If a batch of several keys fails, each
 * key is retried alone, so that one bad key does not fail the others.
 */
export const createBatcher = <K, V>(
  run: (keys: readonly K[]) => Promise<readonly (V | Promise<V>)[]>,
  { maxBatchSize, concurrency, isSharedFailure }: BatchOptions,
): ((key: K) => Promise<V>) => {
  let waiting: Waiting<K, V>[] = [];
  let running = 0;
  let scheduled = false;

  const answer = async (batch: readonly Waiting<K, V>[]): Promise<void> => {
    const values = await run(batch.map((one) => one.key));
    batch.forEach((one, index) => {
      one.resolve(values[index] as V | Promise<V>);
    });
  };

  const alone = async (one: Waiting<K, V>): Promise<void> => {
    try {
      await answer([one]);
    } catch (error) {
      one.reject(error);
    }
  };

  const settle = async (batch: readonly Waiting<K, V>[]): Promise<void> => {
    try {
      await answer(batch);
    } catch (error) {
      if (batch.length > 1 && !isSharedFailure(error)) await Promise.all(batch.map(alone));
      else for (const one of batch) one.reject(error);
    }
  };

  const start = (): void => {
    scheduled = false;
    while (running < concurrency && waiting.length > 0) {
      const batch = waiting.slice(0, maxBatchSize);
      waiting = waiting.slice(maxBatchSize);
      running += 1;
      void settle(batch).finally(() => {
        running -= 1;
        schedule();
      });
    }
  };

  const schedule = (): void => {
    if (scheduled || waiting.length === 0 || running >= concurrency) return;
    scheduled = true;
    setImmediate(start);
  };

  return (key) =>
    new Promise<V>((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      schedule();
    });
};

/**
 * As `createBatcher`, but a batch holds keys of one group only, so that a group that waits, for a lock for example, does
 * not delay the others.
 */
export const createGroupedBatcher = <K, V>(
  groupOf: (key: K) => string,
  run: (keys: readonly K[]) => Promise<readonly (V | Promise<V>)[]>,
  options: BatchOptions,
): ((key: K) => Promise<V>) => {
  const groups = new Map<string, { readonly ask: (key: K) => Promise<V>; open: number }>();
  return async (key) => {
    const name = groupOf(key);
    const group = groups.get(name) ?? { ask: createBatcher(run, options), open: 0 };
    groups.set(name, group);
    group.open += 1;
    try {
      return await group.ask(key);
    } finally {
      group.open -= 1;
      if (group.open === 0) groups.delete(name);
    }
  };
};
