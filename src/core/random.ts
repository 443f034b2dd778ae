import { randomFillSync } from 'node:crypto';

const poolBytes = 8192;
let pool = Buffer.alloc(0);

/**
 * Random bytes from the same source as `randomBytes`, drawn in bulk because one system call each would cost more than the
 * work they serve. Use it for ids and nonces, which become public anyway. Keys and tokens call `randomBytes` themselves, so
 * that none of their bytes lie in memory beforehand.
 */
export const publicRandom = (size: number): Buffer => {
  if (pool.length < size) pool = randomFillSync(Buffer.allocUnsafeSlow(poolBytes));
  const bytes = pool.subarray(0, size);
  pool = pool.subarray(size);
  return bytes;
};
