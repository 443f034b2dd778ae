import { type CliFailure, interrupted, usage } from './failure.ts';

/** What users and programs enter. Prompts go to stderr, so that stdout holds nothing but the command's result. */
export interface Input {
  /** True where stdin and stderr are a terminal. */
  readonly canPrompt: boolean;
  /** Prompts for one line that is not shown while it is typed. A pasted text of several lines counts as one. */
  hidden(question: string): Promise<string>;
  line(question: string): Promise<string>;
  /** True for y or yes. Throws usage where it cannot prompt. */
  confirm(question: string): Promise<boolean>;
  /** All of stdin, byte for byte. Throws usage for more than `maxBytes`. */
  all(maxBytes: number): Promise<Buffer>;
}

type Stdin = NodeJS.ReadStream;

const enter = /[\r\n]/;
const pasteBegins = '\u001b[200~';
const pasteEnds = '\u001b[201~';

/** A line that is typed key by key. A bracketed paste is text as it is; otherwise Enter ends the line. */
class HiddenLine {
  #text = '';
  #pasting = false;

  /** Adds what the terminal sent; 'end' once the line is complete. */
  add(sent: string): 'more' | 'end' | 'interrupted' {
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
    return { length: key.length, outcome: this.#pasting ? this.#paste(key) : this.#press(key) };
  }

  #paste(key: string): 'more' {
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

const cannotPromptForValue = (): CliFailure =>
  usage('Cannot prompt: this is not a terminal. Pass the value by stdin, a file or an option; see --help.');

/** The message for a confirmation that cannot be asked for. */
export const cannotPrompt = 'Cannot prompt: this is not a terminal. Pass --yes to skip the confirmation.';

/** Reads one line in raw mode, without echo. */
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
      const outcome = line.add(decoder.decode(chunk, { stream: true }));
      if (outcome === 'interrupted') finish(() => reject(interrupted()));
      if (outcome === 'end') finish(() => resolve(line.text));
    };
    const onEnd = (): void => finish(() => reject(interrupted()));
    const onTerminate = (): void => finish(() => process.kill(process.pid, 'SIGTERM'));
    // Echo is off before the prompt appears, so that early keys are not shown.
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

const readAll = async (stdin: Stdin, maxBytes: number): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) throw usage(`stdin is larger than the maximum of ${maxBytes} bytes.`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
};

export const createInput = (stdin: Stdin = process.stdin, stderr: NodeJS.WriteStream = process.stderr): Input => {
  const canPrompt = stdin.isTTY === true && stderr.isTTY === true;
  return {
    canPrompt,
    hidden: async (question) => {
      if (!canPrompt) throw cannotPromptForValue();
      return await readHidden(stdin, stderr, question);
    },
    line: async (question) => {
      if (!canPrompt) throw cannotPromptForValue();
      return await readLine(stdin, stderr, question);
    },
    confirm: async (question) => {
      if (!canPrompt) throw usage(cannotPrompt);
      return /^y(es)?$/i.test(await readLine(stdin, stderr, `${question} [y/N] `));
    },
    all: (maxBytes) => readAll(stdin, maxBytes),
  };
};
