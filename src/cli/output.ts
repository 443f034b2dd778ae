import { styleText } from 'node:util';
import { exitCodes } from './exit-codes.ts';
import { CliFailure, systemErrorText } from './failure.ts';
import { printable, printableLines } from './printable.ts';

/**
 * The output of a command: data goes to stdout, everything else to stderr. Notes are for users and --quiet leaves them
 * out. Only a terminal gets decoration.
 */
export interface Output {
  /** True where stdout is a terminal and --json was not given. */
  readonly forPeople: boolean;
  /** Writes the text to stdout as it is, and resolves once it is written. Throws notWritten or brokenPipe. */
  write(text: string): Promise<void>;
  /** Writes the command's result: with --json as JSON, else the text that `toText` returns (nothing for null). */
  result(value: unknown, toText: () => string | null | Promise<string | null>): Promise<void>;
  /** Writes a value as one line of JSON, where stdout is for programs; nothing where it is for people. */
  jsonLine(value: unknown): Promise<void>;
  /** Aligned columns under headings on a terminal; elsewhere tab-separated and without headings. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): string;
  /** Lines of a name and its value. */
  facts(rows: readonly (readonly [string, string])[]): string;
  /** Says on stderr what was done; nothing with --quiet. */
  note(text: string): void;
  /** Says on stderr what the user has to know, even with --quiet. */
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

/** The output could not be written. What the command had done before is not undone. */
export class OutputLost extends CliFailure {}

/** The failure for output that could not be written: brokenPipe where the reader has gone, else an `OutputLost`. */
export const outputLost = (error: unknown): CliFailure => {
  if ((error as { code?: unknown }).code === 'EPIPE') return new CliFailure(exitCodes.brokenPipe, '');
  const reason = systemErrorText(error) ?? 'writing failed';
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

/** JSON leaves DEL and the C1 control characters as they are, which terminals obey. */
const jsonOf = (value: unknown, indent = 2): string =>
  JSON.stringify(value, null, indent).replaceAll(
    /[\u007f-\u009f]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** `options` is called at each use, since the options are known only once the command line is parsed. */
export const createOutput = (options: () => OutputOptions, { stdout, stderr }: Streams = process): Output => {
  // Each write handles its own errors. Without a listener, one of a later event would crash the process.
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
  const isForPeople = (): boolean => stdout.isTTY === true && !options().json;
  return {
    get forPeople() {
      return isForPeople();
    },
    write: (text) => (text === '' ? Promise.resolve() : written(stdout, text)),
    result: async (value, toText) => {
      const text = options().json ? `${jsonOf(value)}\n` : await toText();
      if (text !== null && text !== '') await written(stdout, text);
    },
    jsonLine: async (value) => {
      if (!isForPeople()) await written(stdout, `${jsonOf(value, 0)}\n`);
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
