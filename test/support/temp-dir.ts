import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of the test's own, removed with everything in it when the scope that holds it ends. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** Makes an empty directory that other users may pass, as the embedded database's user has to. */
export const makeTempDir = async (): Promise<TempDir> => {
  const path = await mkdtemp(join(await realpath(tmpdir()), 'keyhold-test-'));
  await chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
};
