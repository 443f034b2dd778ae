import type { Figure } from './statistics.ts';

/** One target of the design with what was measured beside it. */
export interface Finding {
  /** P1, P2 … of the performance targets. */
  readonly target: string;
  readonly what: string;
  readonly unit: string;
  readonly ours: Figure;
  /** What it was measured against in alternating rounds; null for a bound that stands alone. */
  readonly baseline: { readonly what: string; readonly unit: string; readonly figure: Figure } | null;
  /** What the target speaks of: a ratio to the baseline, or the figure itself. */
  readonly reached: number;
  /** Null for a figure that no target bounds, and is told beside the others. */
  readonly bound: { readonly is: 'at least' | 'at most'; readonly value: number; readonly unit: string } | null;
}

export const isMet = ({ reached, bound }: Finding): boolean =>
  bound === null || (bound.is === 'at least' ? reached >= bound.value : reached <= bound.value);

const short = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : value.toPrecision(3).replace(/\.?0+$/, '');

const shownFigure = ({ median, least, most }: Figure, unit: string): string =>
  `${short(median)} ${unit} (${short(least)}–${short(most)})`;

const rowOf = (finding: Finding): string[] => {
  const { target, what, unit, ours, baseline, reached, bound } = finding;
  return [
    target,
    what,
    shownFigure(ours, unit),
    baseline === null ? '' : `${baseline.what}: ${shownFigure(baseline.figure, baseline.unit)}`,
    `${short(reached)}${bound?.unit ?? ''}`,
    bound === null ? '' : `${bound.is} ${bound.value}${bound.unit}`,
    bound === null ? '' : isMet(finding) ? 'met' : 'MISSED',
  ];
};

const headings = ['', 'what', 'measured: median (least–most)', 'against', 'reached', 'bound', ''];

/** The table for people, in Markdown. */
export const tableOf = (findings: readonly Finding[]): string => {
  const rows = [headings, ...findings.map(rowOf)];
  const widths = headings.map((_, at) => Math.max(3, ...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`);
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
};
