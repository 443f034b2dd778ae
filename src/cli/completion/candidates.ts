import type { Argument, Command, Option } from 'commander';
import type { Position } from './position.ts';
import { completionOf, type NameSource } from './sources.ts';

/** A word that can stand at the cursor, and a short description for shells that show one. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** The names of a source that begin with a text. */
export type NamesOf = (source: NameSource, prefix: string) => Promise<readonly Candidate[]>;

/**
 * The words that fit at this position, each beginning with what was typed; 'files' where the shell completes itself.
 */
export const candidatesAt = async (position: Position, namesOf: NamesOf): Promise<readonly Candidate[] | 'files'> => {
  switch (position.kind) {
    case 'command':
      return commandsOf(position.command).filter(startsWith(position.typed));
    case 'flag':
      return flagsOf(position.command).filter(startsWith(position.typed));
    case 'value':
      return await valuesOf(position.of, position.typed, position.before, namesOf);
    case 'foreign':
      return 'files';
    case 'nothing':
      return [];
  }
};

const startsWith =
  (typed: string) =>
  ({ word }: Candidate): boolean =>
    word.startsWith(typed);

const commandsOf = (command: Command): Candidate[] =>
  command.commands.map((child) => ({ word: child.name(), description: child.summary() || child.description() }));

const flagsOf = (command: Command): Candidate[] => [
  ...command.options.flatMap(({ short, long, description }) =>
    [short, long].flatMap((flag) => (flag === undefined ? [] : [{ word: flag, description }])),
  ),
  { word: '--help', description: 'show how' },
];

const valuesOf = async (
  of: Argument | Option,
  typed: string,
  before: string,
  namesOf: NamesOf,
): Promise<readonly Candidate[] | 'files'> => {
  const { argChoices } = of;
  if (argChoices) {
    const choices = argChoices.map((word) => ({ word, description: '' }));
    return withPrefix(before, choices.filter(startsWith(typed)));
  }
  const completion = completionOf(of);
  if (completion === undefined) return [];
  const { source, isList } = completion;
  if (source === 'files' || source === 'program') return 'files';
  const itemStart = isList ? typed.lastIndexOf(',') + 1 : 0;
  const item = typed.slice(itemStart);
  const names = (await namesOf(source, item)).filter(isOffered).filter(startsWith(item));
  return withPrefix(before + typed.slice(0, itemStart), names);
};

/**
 * A name with a control character would steer the terminal or break the lines, and one with a dash would be an option.
 */
const isOffered = ({ word }: Candidate): boolean => word !== '' && !/^-|[\p{Cc}\p{Cf}\u2028\u2029]/u.test(word);

const withPrefix = (prefix: string, candidates: readonly Candidate[]): Candidate[] =>
  candidates.map(({ word, description }) => ({ word: `${prefix}${word}`, description }));
