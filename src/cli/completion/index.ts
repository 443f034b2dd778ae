import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContext } from '../context.ts';
import { printable } from '../printable.ts';
import { createProgram } from '../program.ts';
import { type Candidate, candidatesAt } from './candidates.ts';
import { createNames } from './names.ts';
import { positionIn } from './position.ts';

/** How long the whole may take before it offers nothing. */
const deadlineMs = 2000;

/**
 * `keyhold __complete [--bash] -- WORDS…`, which the scripts of "keyhold completion" call: prints what can stand in
 * place of the last word. Whatever fails, it prints nothing at all: a shell would show it in the middle of a line.
 */
export const complete = async (args: readonly string[]): Promise<void> => {
  const separator = args.indexOf('--');
  const forBash = args.slice(0, separator).includes('--bash');
  const words = args.slice(separator + 1);
  try {
    const text = await Promise.race([completionOf(words, forBash), sleep(deadlineMs, '')]);
    await new Promise<void>((resolve) => {
      // A shell that no longer reads is no failure.
      process.stdout.once('error', () => resolve());
      process.stdout.write(text, () => resolve());
    });
  } catch {
    // Not logged in, not reachable, refused: no completion.
  }
};

const completionOf = async (given: readonly string[], forBash: boolean): Promise<string> => {
  const words = forBash ? rejoined(given) : given;
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() }) as unknown as NodeJS.WriteStream;
  const { context, configure } = createContext({ stderr: silent });
  const program = await createProgram(context, configure, words.length > 1 ? words : []);
  const { position, options } = positionIn(program, words);
  configure(options);
  const found = await candidatesAt(position, createNames(context));
  if (found === 'files') return 'files\n';
  return `words\n${found.map(forBash ? bashLine(words.at(-1) ?? '') : lineOf).join('')}`;
};

const lineOf = ({ word, description }: Candidate): string =>
  `${word}${description === '' ? '' : `\t${printable(description)}`}\n`;

/**
 * The words of a line as bash passes them: it escapes characters by a backslash, and makes words of their own of colons
 * and equals signs.
 */
const rejoined = (pieces: readonly string[]): string[] => {
  const whole: string[] = [];
  let joins = false;
  for (const piece of pieces) {
    const word = piece.replaceAll(/\\(.)/gs, '$1');
    const isBreak = /^[:=]+$/.test(word);
    const last = whole.at(-1);
    if (last !== undefined && (joins || isBreak)) whole[whole.length - 1] = `${last}${word}`;
    else whole.push(word);
    joins = isBreak;
  }
  return whole;
};

/** Bash puts a candidate in place of what follows the last colon or equals sign. */
const bashLine =
  (typed: string) =>
  ({ word }: Candidate): string => {
    const broken = typed.search(/[^:=]*$/);
    return `${word.slice(broken)}\n`;
  };
