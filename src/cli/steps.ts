import type { CliContext } from './context.ts';

/** Takes the last of several steps; where it fails, a person is told what those before it have left. */
export const lastStep = async <T>(context: CliContext, left: string | null, step: () => Promise<T>): Promise<T> => {
  try {
    return await step();
  } catch (error) {
    if (left !== null) context.out.warn(`keyhold: ${left}`);
    throw error;
  }
};
