import { styleText } from 'node:util';
import { exitCodes } from './exit-codes.ts';
import { CliFailure, troubleOf } from './failure.ts';
import { printable, printableLines } from './printable.ts';

/**
 * Where everything that a command says goes: data to stdout, everything else to stderr. Notes are for people and leave
 * with --quiet; nothing is decorated that no terminal shows.
 */
export interface Output {
  /** True where stdout is a terminal and --json was not asked for: a person looks. */
  readonly forPeople: boolean;
  /** Writes to stdout as it is, and resolves once it is written. Throws notWritten or brokenPipe. */
  write(text: string): Promise<void>;
  /** The command's result: with --json as JSON, else the text that `shown` makes of it (none if it makes null). */
  result(value: unknown, shown: () => string | null | Promise<string | null>): Promise<void>;
  /** Lines under headings for people; where stdout is no terminal, tab-separated and without headings. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): string;
  /** Names and what they are, one a line, with the names alone in the first column. */
  facts(rows: readonly (readonly [string, string])[]): string;
  /** What was done, on stderr; nothing with --quiet. */
  note(text: string): void;
  /** What a person has to know, on stderr, even with --quiet. */
  warn(text: string): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const gap = '  ';

const aligned = (rows: readonly (readonly string[])[]): string[] => {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join(gap)
      .trimEnd(),
  );
};

/** Only what was to be said is lost; whatever the command has done, it has done. */
export class OutputLost extends CliFailure {}

/** The failure for output that did not get where it should. What was done before stands: see `OutputLost`. */
export const outputLost = (error: unknown): CliFailure => {
  if ((error as { code?: unknown }).code === 'EPIPE') return new CliFailure(exitCodes.brokenPipe, '');
  const reason = troubleOf(error) ?? 'writing failed';
  return new OutputLost(exitCodes.notWritten, `The output could not be written: ${reason}.`, { cause: error });
};

const written = (stream: NodeJS.WriteStream, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const onError = (error: unknown): void => reject(outputLost(error));
    stream.once('error', onError);
    stream.write(text, (error) => {
      if (error) return onError(error);
      stream.off('error', onError);
      resolve();
    });
  });

/** JSON leaves DEL and the C1 control characters as they are, and terminals obey those. */
const jsonOf = (value: unknown): string =>
  JSON.stringify(value, null, 2).replaceAll(
    /[\u007f-\u009f]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** `options` is asked at each use: they are known only once the command line is parsed. */
export const createOutput = (options: () => OutputOptions, { stdout, stderr }: Streams = process): Output => {
  // A reader that goes away, or a full disk, is the business of whoever writes; unheard it would end the process rudely.
  stdout.on('error', () => undefined);
  stderr.on('error', () => undefined);
  const say = (text: string): void => {
    stderr.write(`${printableLines(text)}\n`);
  };
  const table: Output['table'] = (headings, rows) => {
    const cells = rows.map((row) => row.map(printable));
    if (!stdout.isTTY) return cells.map((row) => `${row.join('\t')}\n`).join('');
    const [head = '', ...lines] = aligned([headings, ...cells]);
    return [styleText('bold', head, { stream: stdout }), ...lines].map((line) => `${line}\n`).join('');
  };
  return {
    get forPeople() {
      return stdout.isTTY === true && !options().json;
    },
    write: (text) => (text === '' ? Promise.resolve() : written(stdout, text)),
    result: async (value, shown) => {
      const text = options().json ? `${jsonOf(value)}\n` : await shown();
      if (text !== null && text !== '') await written(stdout, text);
    },
    table,
    facts: (rows) => {
      const cells = rows.map((row) => row.map(printable));
      const lines = stdout.isTTY ? aligned(cells) : cells.map((row) => row.join('\t'));
      return lines.map((line) => `${line}\n`).join('');
    },
    note: (text) => {
      if (!options().quiet) say(text);
    },
    warn: say,
  };
};
