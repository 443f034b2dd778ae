import { randomFillSync } from 'node:crypto';

const poolBytes = 8192;
let pool = Buffer.alloc(0);

/**
 * Random bytes of the same source as `randomBytes`, drawn for many at once: a call of the system for each would cost more
 * than what they are for. For ids and nonces, which become public; keys and tokens are drawn by themselves, so that
 * nothing of them waits in memory beforehand.
 */
export const publicRandom = (size: number): Buffer => {
  if (pool.length < size) pool = randomFillSync(Buffer.allocUnsafeSlow(poolBytes));
  const bytes = pool.subarray(0, size);
  pool = pool.subarray(size);
  return bytes;
};
