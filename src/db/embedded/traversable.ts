import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RunAs, run } from './run.ts';

const ancestors = (path: string): string[] => {
  const parent = dirname(path);
  return parent === path ? [path] : [...ancestors(parent), path];
};

// Asked of the system itself, as that user: modes alone would overlook access lists and mount options.
const firstClosed = 'for d; do (cd -- "$d") 2>/dev/null || { printf %s "$d"; exit 1; }; done';

/** The first directory on the way to (and including) `directory` that `as` may not pass, or null. */
export const closedDirectory = async (directory: string, as: RunAs): Promise<string | null> => {
  if (as === null) return null;
  const way = [...ancestors(directory), ...ancestors(await realpath(directory))];
  const { ok, output } = await run('/bin/sh', ['-c', firstClosed, 'sh', ...way], { as });
  return ok ? null : output;
};
