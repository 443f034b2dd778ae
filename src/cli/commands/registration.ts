import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

/** What a command's file needs to register it. */
export interface Registration {
  readonly program: Command;
  readonly context: CliContext;
  /** Messages for commands that are given too many arguments, in place of the usual one. */
  readonly excess: Map<Command, string>;
}

/** The examples below a command's help. */
export const examples = (...lines: string[]): string => `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
