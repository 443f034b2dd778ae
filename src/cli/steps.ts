import type { CliContext } from './context.ts';

/**
 * Runs the last of several steps. If it fails, the user first learns what the earlier steps have done; null for
 * nothing.
 */
export const lastStep = async <T>(context: CliContext, done: string | null, step: () => Promise<T>): Promise<T> => {
  try {
    return await step();
  } catch (error) {
    if (done !== null) context.out.warn(`keyhold: ${done}`);
    throw error;
  }
};
