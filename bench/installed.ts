import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Packages of others that are measured beside ours: installed from npm, in a directory of their own. */
export interface Installed extends AsyncDisposable {
  readonly directory: string;
  /** A file of one of them. */
  file(path: string): string;
}

export const install = async (...packages: readonly string[]): Promise<Installed> => {
  const directory = await mkdtemp(join(tmpdir(), 'keyhold-bench-npm-'));
  execFileSync('npm', ['install', '--prefix', directory, '--no-audit', '--no-fund', ...packages], { stdio: 'ignore' });
  return {
    directory,
    file: (path) => join(directory, 'node_modules', path),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
};
