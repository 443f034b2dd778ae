import type { Job } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { barOf } from '../transfer/progress.ts';

/** One line on stderr that shows how far something is, in place of the line before. */
export interface ProgressLine {
  show(text: string): void;
  /** Removes the line. */
  end(): void;
}

const none: ProgressLine = { show: () => undefined, end: () => undefined };

/** A line where stderr is a terminal; nothing elsewhere or with --quiet. */
export const startProgressLine = (context: CliContext): ProgressLine => {
  const { stderr } = process;
  if (!stderr.isTTY || context.options().quiet) return none;
  return {
    // A longer line would wrap, and the next one could not replace it.
    show: (text) => void stderr.write(`\r${printable(text).slice(0, Math.max(stderr.columns - 1, 20))}\u001b[K`),
    end: () => void stderr.write('\r\u001b[K'),
  };
};

const labels: Readonly<Record<string, string>> = {
  rewrap: 'Rewrapping owner keys',
  reencrypt: 'Re-encrypting values',
  reseal: 'Sealing rows anew',
};

/** What a kind of job does, for people. */
export const labelOf = ({ kind }: Pick<Job, 'kind'>): string => labels[kind] ?? kind;

/** How far a job is, as one line, and what it waits for. */
export const jobText = (job: Job, waitsFor: readonly string[]): string => {
  const progress = job.total === null ? `${job.done} rows` : barOf(job.done, job.total);
  const failed = job.failed === 0 ? '' : `, ${job.failed} failed`;
  const waits = waitsFor.length === 0 ? '' : `, waiting for ${waitsFor.join(' and ')}`;
  return `${labelOf(job)}: ${progress}${failed}${waits}`;
};
