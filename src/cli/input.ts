import { type CliFailure, interrupted, usage } from './failure.ts';

/** What people and programs give: questions go to stderr, so that stdout stays the command's result. */
export interface Input {
  /** True where somebody can be asked. */
  readonly canAsk: boolean;
  /** One line that is not shown while it is typed; a pasted text of several lines is taken whole. */
  hidden(question: string): Promise<string>;
  line(question: string): Promise<string>;
  /** True for y or yes. Where nobody can be asked it throws usage with `otherwise`. */
  confirm(question: string, otherwise: string): Promise<boolean>;
  /** All of stdin, byte for byte; at most `limit` bytes, or it throws usage. */
  all(limit: number): Promise<Buffer>;
}

type Stdin = NodeJS.ReadStream;

const enter = /[\r\n]/;
const pasteBegins = '\u001b[200~';
const pasteEnds = '\u001b[201~';

/** What was typed so far, key by key. A bracketed paste is text; outside of one, Enter ends the line. */
class HiddenLine {
  #text = '';
  #pasting = false;

  /** Takes what the terminal sent; 'end' once the line is complete. */
  take(sent: string): 'more' | 'end' | 'interrupted' {
    let rest = sent;
    while (rest !== '') {
      const { length, outcome } = this.#step(rest);
      if (outcome !== 'more') return outcome;
      rest = rest.slice(length);
    }
    return 'more';
  }

  get text(): string {
    return this.#text;
  }

  #step(rest: string): { length: number; outcome: 'more' | 'end' | 'interrupted' } {
    for (const [mark, pasting] of [
      [pasteBegins, true],
      [pasteEnds, false],
    ] as const) {
      if (!rest.startsWith(mark)) continue;
      this.#pasting = pasting;
      return { length: mark.length, outcome: 'more' };
    }
    const key = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    return { length: key.length, outcome: this.#pasting ? this.#add(key) : this.#press(key) };
  }

  #add(key: string): 'more' {
    // Terminals send the line ends of a paste as carriage returns.
    this.#text += key === '\r' ? '\n' : key;
    return 'more';
  }

  #press(key: string): 'more' | 'end' | 'interrupted' {
    if (enter.test(key)) return 'end';
    if (key === '\u0003') return 'interrupted';
    if (key === '\u0004') return this.#text === '' ? 'interrupted' : 'end';
    if (key === '\u007f' || key === '\b') this.#text = [...this.#text].slice(0, -1).join('');
    else if (key === '\u0015') this.#text = '';
    else this.#text += key;
    return 'more';
  }
}

const nobodyToAsk = (): CliFailure =>
  usage('There is no terminal to ask on. Give the value by stdin, a file or an option; --help shows which.');

/** Reads one hidden line in raw mode. What the terminal sends after it within a moment (a paste) is never left to the shell. */
const readHidden = (stdin: Stdin, stderr: NodeJS.WriteStream, question: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const line = new HiddenLine();
    const decoder = new TextDecoder();
    const finish = (settle: () => void): void => {
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      process.off('SIGTERM', onTerminate);
      stderr.write('\u001b[?2004l\n');
      stdin.setRawMode(false);
      stdin.pause();
      settle();
    };
    const onData = (chunk: Buffer): void => {
      const outcome = line.take(decoder.decode(chunk, { stream: true }));
      if (outcome === 'interrupted') finish(() => reject(interrupted()));
      if (outcome === 'end') finish(() => resolve(line.text));
    };
    const onEnd = (): void => finish(() => reject(interrupted()));
    const onTerminate = (): void => finish(() => process.kill(process.pid, 'SIGTERM'));
    // Silence first: what is typed as soon as the question stands must not be shown.
    stdin.setRawMode(true);
    stderr.write(`${question}\u001b[?2004h`);
    stdin.on('data', onData);
    stdin.on('end', onEnd);
    process.once('SIGTERM', onTerminate);
    stdin.resume();
  });

const readLine = async (stdin: Stdin, stderr: NodeJS.WriteStream, question: string): Promise<string> => {
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: stdin, output: stderr, terminal: true, historySize: 0 });
  return await new Promise((resolve, reject) => {
    let answered = false;
    lines.once('SIGINT', () => lines.close());
    lines.once('close', () => {
      if (answered) return;
      stderr.write('\n');
      reject(interrupted());
    });
    lines.question(question, (answer) => {
      answered = true;
      lines.close();
      resolve(answer.trim());
    });
  });
};

const readAll = async (stdin: Stdin, limit: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    size += (chunk as Buffer).length;
    if (size > limit) throw usage(`stdin holds more than the ${limit} bytes that are taken here.`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
};

export const createInput = (stdin: Stdin = process.stdin, stderr: NodeJS.WriteStream = process.stderr): Input => {
  const canAsk = stdin.isTTY === true && stderr.isTTY === true;
  return {
    canAsk,
    hidden: async (question) => {
      if (!canAsk) throw nobodyToAsk();
      return await readHidden(stdin, stderr, question);
    },
    line: async (question) => {
      if (!canAsk) throw nobodyToAsk();
      return await readLine(stdin, stderr, question);
    },
    confirm: async (question, otherwise) => {
      if (!canAsk) throw usage(otherwise);
      return /^y(es)?$/i.test(await readLine(stdin, stderr, `${question} [y/N] `));
    },
    all: (limit) => readAll(stdin, limit),
  };
};
