export interface BatchOptions {
  /** The largest batch. */
  readonly maxBatchSize: number;
  /** Batches under way at once; what comes meanwhile makes up the next one. */
  readonly concurrency: number;
  /** True of a failure that no member of the batch can have caused; asking each alone would only fail again. */
  readonly isSharedFailure: (error: unknown) => boolean;
}

interface Waiting<K, V> {
  readonly key: K;
  readonly resolve: (value: V) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks together what arrives together. A batch is what came in one turn of the event loop, or while earlier batches were
 * under way; it is closed before `run` is called, so that nobody's answer is older than their question. `run` answers each
 * key by its place. When a batch of several fails, each of it is asked by itself, so that nobody shares a failure that
 * another caused.
 */
export const createBatcher = <K, V>(
  run: (keys: readonly K[]) => Promise<readonly V[]>,
  { maxBatchSize, concurrency, isSharedFailure }: BatchOptions,
): ((key: K) => Promise<V>) => {
  let waiting: Waiting<K, V>[] = [];
  let running = 0;
  let scheduled = false;

  const answer = async (batch: readonly Waiting<K, V>[]): Promise<void> => {
    const values = await run(batch.map((one) => one.key));
    batch.forEach((one, index) => {
      one.resolve(values[index] as V);
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
 * As `createBatcher`, with batches of one group each: whatever holds a group up, such as a lock that one of it waits for, keeps
 * no other group waiting.
 */
export const createGroupedBatcher = <K, V>(
  groupOf: (key: K) => string,
  run: (keys: readonly K[]) => Promise<readonly V[]>,
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
