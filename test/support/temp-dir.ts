import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { ownPrefix } from './files-in-memory.ts';

/** A directory of the test's own, which is removed with everything in it at the end of its scope. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** Creates an empty directory that other users may pass, as the embedded database's user must. */
export const makeTempDir = async (): Promise<TempDir> => {
  const path = await mkdtemp(ownPrefix);
  await chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
};
