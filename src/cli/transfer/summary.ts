import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import type { Skipped } from './item.ts';
import type { Outcome } from './send.ts';

export interface Summary {
  readonly path: string;
  readonly outcomes: readonly Outcome[];
  /** Secrets of the file that are not imported. */
  readonly skipped: readonly Skipped[];
  /** How many sessions were started, or would be. */
  readonly sessions: number;
  readonly dryRun: boolean;
}

const outcomeNames = ['created', 'updated', 'renamed', 'skipped'] as const;

const countsOf = (outcomes: readonly Outcome[]) =>
  outcomeNames.map((word) => ({ word, count: outcomes.filter((one) => one.outcome === word).length }));

const line = ({ source, name }: Outcome): string => `  ${printable(source)} is now ${printable(name)}`;

/** True if renamed because of a conflict, or because the name was not valid. */
const isRenamed = ({ source, name, outcome }: Outcome): boolean =>
  outcome === 'renamed' || (source !== name && !source.startsWith(`${name} (`));

const text = ({ path, outcomes, skipped, sessions, dryRun }: Summary): string => {
  const counts = countsOf(outcomes).filter(({ count }) => count > 0);
  const summary = counts.map(({ word, count }) => `${count} ${word}`).join(', ');
  const head = `${printable(path)}: ${summary === '' ? 'nothing to import' : summary}${dryRun ? ' (dry run: nothing was written)' : ''}.`;
  const changed = outcomes.filter(isRenamed);
  const lines = [
    head,
    ...(sessions === 0 ? [] : [`Sessions ${dryRun ? 'to start' : 'started'}: ${sessions}.`]),
    ...(changed.length === 0 ? [] : ['Renamed:', ...changed.map(line)]),
    ...(skipped.length === 0
      ? []
      : ['Left out:', ...skipped.map((one) => `  ${printable(one.source)}: ${one.reason}`)]),
  ];
  return `${lines.join('\n')}\n`;
};

/** Prints the outcome for every secret of a file, without values. */
export const printSummary = async (context: CliContext, summary: Summary): Promise<void> => {
  const counts = Object.fromEntries(countsOf(summary.outcomes).map(({ word, count }) => [word, count]));
  const result = {
    dry_run: summary.dryRun,
    ...counts,
    sessions_started: summary.dryRun ? 0 : summary.sessions,
    items: summary.outcomes,
    left_out: summary.skipped,
  };
  await context.out.result(result, () => text(summary));
};
