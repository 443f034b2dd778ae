import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const majorOf = (path: string): number =>
  Number(/^v(\d+)\./.exec(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]);

const real = (path: string): string | null => {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
};

/** A Node of this machine that is older than the one Keyhold brings along, as most people's is; null where there is none. */
export const olderNode = (): string | null => {
  const paths = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'node'));
  const candidates = [...new Set(paths.map(real))].filter((path) => path !== null);
  return candidates.find((path) => majorOf(path) >= 20 && majorOf(path) < 26) ?? null;
};
