/** A table written as text, so that a reviewer sees its columns: the first line names them, `|` parts them. */
export type Line = Readonly<Record<string, string>>;

const cellsOf = (line: string): string[] => line.split('|').map((cell) => cell.trim());

/** Reads the table; a line that has more or fewer cells than the first is a mistake in it. */
export const grid = (text: string): readonly Line[] => {
  const [head = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const columns = cellsOf(head);
  return lines.map((line) => {
    const cells = cellsOf(line);
    if (cells.length !== columns.length) throw new Error(`not as many cells as columns: ${line}`);
    return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? '']));
  });
};

export const cell = (line: Line, column: string): string => {
  const found = line[column];
  if (found === undefined || found === '') throw new Error(`no cell ${column} in ${JSON.stringify(line)}`);
  return found;
};
