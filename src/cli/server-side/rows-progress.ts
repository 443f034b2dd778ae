import type { OnRows } from '../../backup/index.ts';
import type { CliContext } from '../context.ts';
import { type Progress, startProgress } from '../transfer/progress.ts';

/** Runs `work` under a progress bar whose total is known only with the first row. */
export const withRowsProgress = async <T>(
  context: CliContext,
  what: string,
  work: (onRows: OnRows) => Promise<T>,
): Promise<T> => {
  const steps = rowsProgress(context);
  try {
    return await work(steps.step(what));
  } finally {
    steps.end();
  }
};

/** Several progress bars, one after the other. */
export const rowsProgress = (context: CliContext) => {
  let bar: Progress | null = null;
  const end = (): void => {
    bar?.end();
    bar = null;
  };
  return {
    step: (what: string): OnRows => {
      end();
      return (done, total) => {
        bar ??= startProgress(context, what, total);
        bar.at(done);
      };
    },
    end,
  };
};
