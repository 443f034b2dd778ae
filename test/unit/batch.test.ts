import { describe, expect, it } from 'vitest';
import { createBatcher } from '../../src/core/batch.ts';

const options = {
  maxBatchSize: 3,
  concurrency: 1,
  isSharedFailure: (error: unknown) => String(error).includes('everybody'),
};

const recorder = (work: (keys: readonly number[]) => Promise<readonly string[]>) => {
  const batches: (readonly number[])[] = [];
  const ask = createBatcher<number, string>(async (keys) => {
    batches.push([...keys]);
    return await work(keys);
  }, options);
  return { batches, ask };
};

const name = (key: number): string => `answer ${key}`;

describe('asking together', () => {
  it('a batcher answers each question by itself, in batches of what arrived together', async () => {
    const { batches, ask } = recorder(async (keys) => keys.map(name));
    const answers = await Promise.all([1, 2, 3, 4].map(ask));
    expect(answers).toEqual([1, 2, 3, 4].map(name));
    expect(batches).toEqual([[1, 2, 3], [4]]);
  });

  it('a question never joins a batch that has begun', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { batches, ask } = recorder(async (keys) => {
      await gate;
      return keys.map(name);
    });
    const first = ask(1);
    await new Promise(setImmediate);
    const second = ask(2);
    expect(batches).toEqual([[1]]);
    release();
    expect(await Promise.all([first, second])).toEqual([name(1), name(2)]);
    expect(batches).toEqual([[1], [2]]);
  });

  it('a batch that fails is asked one by one, so that only the question that causes it fails', async () => {
    const { batches, ask } = recorder(async (keys) => {
      if (keys.includes(2)) throw new Error('two is bad');
      return keys.map(name);
    });
    const answers = await Promise.allSettled([1, 2, 3].map(ask));
    expect(answers.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(batches).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  it('a failure that is everybody’s is not repeated', async () => {
    const { batches, ask } = recorder(async () => {
      throw new Error('everybody waits');
    });
    const answers = await Promise.allSettled([1, 2].map(ask));
    expect(answers.map((one) => one.status)).toEqual(['rejected', 'rejected']);
    expect(batches).toEqual([[1, 2]]);
  });
});
