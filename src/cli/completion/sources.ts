import { Argument, Option } from 'commander';

/**
 * What the value of an argument or an option can be completed with, apart from a closed list of its own. `program` is
 * another program, whose arguments follow it.
 */
export type Source = NameSource | 'files' | 'program';
/** Names that the service, this machine's profiles or a closed list know. */
export type NameSource =
  | 'secrets'
  | 'deleted-secrets'
  | 'sessions'
  | 'invitations'
  | 'users'
  | 'profiles'
  | 'permissions';

interface Completion {
  readonly source: Source;
  /** True for a value that is a comma-separated list. */
  readonly isList: boolean;
}

const completions = new WeakMap<Argument | Option, Completion>();

const completedBy = <T extends Argument | Option>(of: T, source: Source, isList = false): T => {
  completions.set(of, { source, isList });
  return of;
};

/** An argument that the shell completes from a source. */
export const argumentFrom = (source: Source, flags: string, description?: string): Argument =>
  completedBy(new Argument(flags, description), source);

/** An option whose value the shell completes from a source. */
export const optionFrom = (source: Source, flags: string, description: string): Option =>
  completedBy(new Option(flags, description), source);

/** An option whose value is a comma-separated list, each item of which the shell completes from a source. */
export const listOptionFrom = (source: Source, flags: string, description: string): Option =>
  completedBy(new Option(flags, description), source, true);

/** How the value of this argument or option is completed; undefined where nothing but its choices is known. */
export const completionOf = (of: Argument | Option): Completion | undefined => completions.get(of);
