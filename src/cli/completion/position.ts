import type { Argument, Command, Option } from 'commander';
import type { GlobalOptions } from '../context.ts';
import { completionOf } from './sources.ts';

/** What the word at the cursor is, and the part of it that has been typed. */
export type Position =
  | { readonly kind: 'command'; readonly command: Command; readonly typed: string }
  | { readonly kind: 'flag'; readonly command: Command; readonly typed: string }
  | {
      readonly kind: 'value';
      readonly of: Argument | Option;
      readonly typed: string;
      /** What stands before the value in the same word: `--type=`, or nothing. */
      readonly before: string;
    }
  /** A word of the command that `run` starts: the shell knows it better. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'nothing' };

export interface Line {
  readonly position: Position;
  /** The options before the cursor that say whose names are meant. */
  readonly options: GlobalOptions;
}

/**
 * Finds out what the last of these words is: the words after `keyhold`, up to the cursor. The last one may be empty.
 * The words are read as commander reads them, but an unknown option is passed over.
 */
export const positionIn = (program: Command, words: readonly string[]): Line => {
  const walk = new Walk(program);
  for (const word of words.slice(0, -1)) walk.pass(word);
  return { position: walk.positionOf(words.at(-1) ?? ''), options: walk.options };
};

class Walk {
  readonly options: { profile?: string; session?: string } = {};
  #command: Command;
  /** How many arguments of the command have been passed. */
  #arguments = 0;
  /** The option whose value is the next word. */
  #pending: Option | null = null;
  /** True after `--`: what begins with a dash is then an argument. */
  #onlyArguments = false;

  constructor(program: Command) {
    this.#command = program;
  }

  pass(word: string): void {
    if (this.#pending !== null) {
      this.#note(this.#pending, word);
      this.#pending = null;
    } else if (this.#isForeign) this.#arguments += 1;
    else if (word === '--' && !this.#onlyArguments) this.#onlyArguments = true;
    else if (this.#isFlag(word)) this.#passFlag(word);
    else this.#passArgument(word);
  }

  positionOf(word: string): Position {
    if (this.#pending !== null) return { kind: 'value', of: this.#pending, typed: word, before: '' };
    if (this.#isForeign) return { kind: 'foreign' };
    if (this.#isFlag(word)) return this.#flagPosition(word);
    if (this.#command.commands.length > 0) return this.#commandPosition(word);
    if (this.#startsForeign) return { kind: 'foreign' };
    const argument = this.#argumentAt(this.#arguments);
    return argument ? { kind: 'value', of: argument, typed: word, before: '' } : { kind: 'nothing' };
  }

  /** True for a command whose first argument is another program's name, with its arguments behind it. */
  get #startsForeign(): boolean {
    const [first] = this.#command.registeredArguments;
    return first !== undefined && completionOf(first)?.source === 'program';
  }

  get #isForeign(): boolean {
    return this.#startsForeign && (this.#arguments > 0 || this.#onlyArguments);
  }

  #isFlag(word: string): boolean {
    return word.startsWith('-') && !this.#onlyArguments;
  }

  #flagPosition(word: string): Position {
    const equals = word.indexOf('=');
    const option = equals === -1 ? undefined : this.#optionOf(word.slice(0, equals));
    if (option === undefined) return { kind: 'flag', command: this.#command, typed: word };
    return { kind: 'value', of: option, typed: word.slice(equals + 1), before: word.slice(0, equals + 1) };
  }

  #commandPosition(word: string): Position {
    // After a word that is no command, none can follow.
    return this.#arguments > 0 ? { kind: 'nothing' } : { kind: 'command', command: this.#command, typed: word };
  }

  #passFlag(word: string): void {
    const [flag = '', ...rest] = word.split('=');
    const option = this.#optionOf(flag);
    if (option === undefined || !takesValue(option)) return;
    if (rest.length > 0) this.#note(option, rest.join('='));
    else this.#pending = option;
  }

  #passArgument(word: string): void {
    const child = this.#command.commands.find((one) => one.name() === word);
    if (child === undefined) {
      this.#arguments += 1;
      return;
    }
    this.#command = child;
    this.#arguments = 0;
  }

  #note(option: Option, value: string): void {
    if (option.long === '--profile') this.options.profile = value;
    if (option.long === '--session') this.options.session = value;
  }

  #optionOf(flag: string): Option | undefined {
    return this.#command.options.find(({ short, long }) => flag === long || flag === short);
  }

  #argumentAt(index: number): Argument | undefined {
    const known = this.#command.registeredArguments;
    const last = known.at(-1);
    return known[index] ?? (last?.variadic ? last : undefined);
  }
}

const takesValue = ({ required, optional }: Option): boolean => required || optional;
