import type { CommandExit } from './command-exit.ts';

export type Environment = Readonly<Record<string, string>>;

/** A command that is to be started, with its whole environment, and the values that its output must not show. */
export interface Started {
  readonly command: readonly string[];
  readonly env: Environment;
  readonly values: readonly string[];
}

/** Runs a command and resolves to how it ended, once everything that it wrote was said. Throws CannotStart. */
export type Runner = (started: Started) => Promise<CommandExit>;
