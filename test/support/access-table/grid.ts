/*
 * A table written as text, so that a reviewer sees its columns: the first line names them, and `|` separates them.
 */

export interface Line {
  readonly cells: Readonly<Record<string, string>>;
  /** The line as it is written, for the message of a test that fails. */
  readonly text: string;
}

const cellsOf = (line: string): string[] => line.split('|').map((cell) => cell.trim());

/** Reads a table. Throws where a line has more or fewer cells than the first one. */
export const grid = (text: string): readonly Line[] => {
  const [head = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const columns = cellsOf(head);
  return lines.map((line) => {
    const cells = cellsOf(line);
    if (cells.length !== columns.length) throw new Error(`not as many cells as columns: ${line}`);
    return {
      cells: Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ''])),
      text: cells.join(' | '),
    };
  });
};

/** What the line says in this column. Throws where it says nothing. */
export const cell = ({ cells, text }: Line, column: string): string => {
  const found = cells[column];
  if (found === undefined || found === '') throw new Error(`no cell ${column} in: ${text}`);
  return found;
};

/** Where a cell stands, for the message of a test that fails. */
export const located = (table: string, line: Line, column: string): string =>
  `${table}, column "${column}" = "${cell(line, column)}", of the line: ${line.text}`;
