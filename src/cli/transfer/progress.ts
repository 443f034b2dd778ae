import type { CliContext } from '../context.ts';

export interface Progress {
  /** Shows that `done` of `total` are done. */
  at(done: number): void;
  /** Removes the bar. */
  end(): void;
}

/** A bar that is filled as far as `done` of `total` are done. */
export const barOf = (done: number, total: number): string => {
  const filled = Math.min(width, Math.round((width * done) / Math.max(total, 1)));
  return `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${done}/${total}`;
};

const width = 30;
const redrawIntervalMs = 80;

const none: Progress = { at: () => undefined, end: () => undefined };

/** A progress bar on stderr where that is a terminal; nothing elsewhere or with --quiet. */
export const startProgress = (context: CliContext, what: string, total: number): Progress => {
  const { stderr } = process;
  if (!stderr.isTTY || context.options().quiet) return none;
  let drawn = 0;
  const draw = (done: number): void => {
    stderr.write(`\r${what} ${barOf(done, total)}`);
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
