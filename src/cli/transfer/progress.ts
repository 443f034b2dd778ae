import type { CliContext } from '../context.ts';

export interface Progress {
  /** Shows that `done` of `total` are done. */
  at(done: number): void;
  /** Removes the bar. */
  end(): void;
}

const width = 30;
const redrawIntervalMs = 80;

const none: Progress = { at: () => undefined, end: () => undefined };

/** A progress bar on stderr where that is a terminal; nothing elsewhere or with --quiet. */
export const startProgress = (context: CliContext, what: string, total: number): Progress => {
  const { stderr } = process;
  if (!stderr.isTTY || context.options().quiet) return none;
  let drawn = 0;
  const draw = (done: number): void => {
    const filled = Math.round((width * done) / Math.max(total, 1));
    stderr.write(`\r${what} [${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${done}/${total}`);
    drawn = Date.now();
  };
  draw(0);
  return {
    at: (done) => {
      if (done >= total || Date.now() - drawn >= redrawIntervalMs) draw(done);
    },
    end: () => {
      stderr.write('\r\u001b[K');
    },
  };
};
