import { Command, Option } from 'commander';
import { partsFor } from './commands/index.ts';
import { optionFrom } from './completion/sources.ts';
import type { CliContext, GlobalOptions } from './context.ts';
import { usage } from './failure.ts';
import { version } from './version.ts';

/** Options that every command understands, before or after its name. */
const globalOptions = (): Option[] => [
  optionFrom('profiles', '--profile <name>', 'the profile, that is the server and who you are there'),
  optionFrom('sessions', '--session <session>', 'the session of work, by its id or the platform’s own'),
  new Option('--json', 'the result as JSON, for programs'),
  new Option('-q, --quiet', 'no notes about what was done'),
];

/** A command that has such an option of its own keeps it; it then means the same and more. */
const understands = (command: Command, { long }: Option): boolean =>
  command.options.some((option) => option.long === long);

const giveGlobalOptions = (command: Command): void => {
  for (const option of globalOptions()) if (!understands(command, option)) command.addOption(option.hideHelp());
};

const tooMany = (command: Command): string =>
  `"keyhold ${pathOf(command)}" takes fewer arguments than that. See: keyhold ${pathOf(command)} --help`;

const pathOf = (command: Command): string =>
  command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

/** What is left over is refused without being repeated: it may be a value. */
const refuseExcess = (command: Command, sentences: ReadonlyMap<Command, string>): void => {
  const { registeredArguments: expected, args } = command;
  if (expected.at(-1)?.variadic || args.length <= expected.length) return;
  throw usage(sentences.get(command) ?? tooMany(command));
};

const options = (command: Command): GlobalOptions => command.optsWithGlobals<GlobalOptions>();

/** Below the help of every command. */
export const everywhere = `
Every command also understands --json, --session <session>, --profile <name> and --quiet; "keyhold --help" explains them.`;

const footer = `
Every command has --help with examples. The whole reference: docs/cli.md`;

/**
 * The commands that a command line can mean, all of them where it does not begin with the name of one. Nothing of them is
 * loaded but their names, options and help.
 */
export const createProgram = async (
  context: CliContext,
  configure: (options: GlobalOptions) => void,
  args: readonly string[] = [],
): Promise<Command> => {
  const excess = new Map<Command, string>();
  const program = new Command('keyhold')
    .description('A self-hosted secrets service in which every secret has an owner')
    .version(version, '-V, --version')
    .enablePositionalOptions()
    .addHelpText('after', footer);
  for (const option of globalOptions()) program.addOption(option);
  for (const { group, register } of partsFor(args)) {
    program.commandsGroup(group);
    await register({ program, context, excess });
  }
  program.addHelpCommand(
    new Command('help').argument('[command...]').description('show the help of a command').helpGroup('The shell:'),
  );
  eachCommand(program, (command) => {
    command.exitOverride().configureOutput({ outputError: () => undefined });
    if (command !== program) giveGlobalOptions(command.helpCommand(false).addHelpText('after', everywhere));
    if (command.commands.length === 0) command.allowExcessArguments(true);
  });
  program.hook('preAction', (_program, command) => {
    configure(options(command));
    refuseExcess(command, excess);
  });
  return program;
};

const eachCommand = (command: Command, work: (command: Command) => void): void => {
  work(command);
  for (const child of command.commands) eachCommand(child, work);
};
