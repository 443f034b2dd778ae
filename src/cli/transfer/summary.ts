import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import type { Skipped } from './item.ts';
import type { Outcome } from './send.ts';

export interface Summary {
  readonly path: string;
  readonly outcomes: readonly Outcome[];
  /** What the file holds and Keyhold doesn't take. */
  readonly skipped: readonly Skipped[];
  /** How many sessions were, or would be, started. */
  readonly sessions: number;
  readonly dryRun: boolean;
}

const words = ['created', 'updated', 'renamed', 'skipped'] as const;

const countsOf = (outcomes: readonly Outcome[]) =>
  words.map((word) => ({ word, count: outcomes.filter((one) => one.outcome === word).length }));

const line = ({ source, name }: Outcome): string => `  ${printable(source)} is now ${printable(name)}`;

/** Renamed because of a clash, or because its name does not fit. */
const isRenamed = ({ source, name, outcome }: Outcome): boolean =>
  outcome === 'renamed' || (source !== name && !source.startsWith(`${name} (`));

const text = ({ path, outcomes, skipped, sessions, dryRun }: Summary): string => {
  const counts = countsOf(outcomes).filter(({ count }) => count > 0);
  const told = counts.map(({ word, count }) => `${count} ${word}`).join(', ');
  const head = `${printable(path)}: ${told === '' ? 'nothing to import' : told}${dryRun ? ' (dry run: nothing was written)' : ''}.`;
  const changed = outcomes.filter(isRenamed);
  const lines = [
    head,
    ...(sessions === 0 ? [] : [`Sessions that ${dryRun ? 'would be' : 'were'} started: ${sessions}.`]),
    ...(changed.length === 0 ? [] : ['Renamed:', ...changed.map(line)]),
    ...(skipped.length === 0
      ? []
      : ['Left out:', ...skipped.map((one) => `  ${printable(one.source)}: ${one.reason}`)]),
  ];
  return `${lines.join('\n')}\n`;
};

/** Says what became of every secret of a file; never a value. */
export const tell = async (context: CliContext, summary: Summary): Promise<void> => {
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
