import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RunAs, run } from './run.ts';

const ancestors = (path: string): string[] => {
  const parent = dirname(path);
  return parent === path ? [path] : [...ancestors(parent), path];
};

// Tried as that user, since modes alone tell nothing of access control lists and mount options.
const firstClosed = 'for d; do (cd -- "$d") 2>/dev/null || { printf %s "$d"; exit 1; }; done';

/** The first of `directory` and the directories above it that `as` may not pass, or null. */
export const closedDirectory = async (directory: string, as: RunAs): Promise<string | null> => {
  if (as === null) return null;
  const path = [...ancestors(directory), ...ancestors(await realpath(directory))];
  const { ok, output } = await run('/bin/sh', ['-c', firstClosed, 'sh', ...path], { as });
  return ok ? null : output;
};
