import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { KeyholdError } from '../core/errors.ts';

/** OWASP's recommendation for Argon2id (`algorithm` 2): 19 MiB, two passes, one lane. */
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const concurrency = 4;
const maxQueueLength = 64;

export type Passwords = ReturnType<typeof createPasswords>;

/** Argon2id, at most 4 at the same time, since each takes 19 MiB and a core. Throws `overloaded` while too many others wait. */
export const createPasswords = () => {
  let running = 0;
  const queue: (() => void)[] = [];
  const nobodysHash = hash(randomBytes(16).toString('hex'), cost);

  const enter = async (): Promise<void> => {
    if (running < concurrency) {
      running += 1;
      return;
    }
    if (queue.length >= maxQueueLength) {
      throw new KeyholdError('overloaded', 'Too many logins at once. Try again shortly.', { retryAfterSeconds: 2 });
    }
    await new Promise<void>((resolve) => queue.push(resolve));
  };

  // A finished one hands its place to the next in the queue, so that nobody can slip in between.
  const leave = (): void => {
    const next = queue.shift();
    if (next) next();
    else running -= 1;
  };

  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    await enter();
    try {
      return await work();
    } finally {
      leave();
    }
  };

  return {
    hash: (password: string): Promise<string> => inTurn(() => hash(password, cost)),
    /** Where there is no hash, does the same work and resolves to false: an unknown user takes as long as a known one. */
    verify: (passwordHash: string | null, password: string): Promise<boolean> =>
      inTurn(async () => {
        if (passwordHash !== null) return await verify(passwordHash, password);
        await verify(await nobodysHash, password);
        return false;
      }),
  };
};
