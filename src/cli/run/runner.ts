import type { CommandExit } from './command-exit.ts';

export type Environment = Readonly<Record<string, string>>;

/** A command to start, with its environment, and the values that its output must not show. */
export interface CommandToRun {
  readonly command: readonly string[];
  readonly env: Environment;
  readonly values: readonly string[];
}

/** Runs a command and resolves to how it exited, once all its output is written. Throws CannotStart. */
export type Runner = (command: CommandToRun) => Promise<CommandExit>;
