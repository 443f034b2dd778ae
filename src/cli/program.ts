import { Command, Option } from 'commander';
import { registerCommands } from './commands/index.ts';
import { optionFrom } from './completion/sources.ts';
import type { CliContext, GlobalOptions } from './context.ts';
import { usage } from './failure.ts';
import { version } from './version.ts';

/** Options that every command understands, before or after its name. */
const globalOptions = (): Option[] => [
  optionFrom('profiles', '--profile <name>', 'the profile: a server and your login there'),
  optionFrom('sessions', '--session <session>', 'the session of work, by its id or the platform’s name for it'),
  new Option('--json', 'print the result as JSON, for programs'),
  new Option('-q, --quiet', 'print no notes about what was done'),
];

/** Below the help of every command. */
export const everywhere = `
Every command also accepts --json, --session <session>, --profile <name> and --quiet; see "keyhold --help".`;

const footer = `
Every command has --help with examples. Reference: docs/cli.md`;

/**
 * The program with the command that `args` begin with, or with all commands where they begin with none. Registering
 * loads little more than names, options and help.
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
  await registerCommands({ program, context, excess }, args);
  program.addHelpCommand(
    new Command('help').argument('[command...]').description('show the help of a command').helpGroup('The shell:'),
  );
  eachCommand(program, (command) => {
    command.exitOverride().configureOutput({ outputError: () => undefined });
    if (command !== program) addGlobalOptions(command.helpCommand(false).addHelpText('after', everywhere));
    if (command.commands.length === 0) command.allowExcessArguments(true);
  });
  program.hook('preAction', (_program, command) => {
    configure(command.optsWithGlobals<GlobalOptions>());
    refuseExcess(command, excess);
  });
  return program;
};

const eachCommand = (command: Command, visit: (command: Command) => void): void => {
  visit(command);
  for (const child of command.commands) eachCommand(child, visit);
};

const addGlobalOptions = (command: Command): void => {
  for (const option of globalOptions()) {
    // A command's own option of that name keeps its meaning and adds to it.
    const isKnown = command.options.some(({ long }) => long === option.long);
    if (!isKnown) command.addOption(option.hideHelp());
  }
};

/** Refuses excess arguments without repeating them, since one may be a value. */
const refuseExcess = (command: Command, messages: ReadonlyMap<Command, string>): void => {
  const { registeredArguments: expected, args } = command;
  if (expected.at(-1)?.variadic || args.length <= expected.length) return;
  throw usage(messages.get(command) ?? tooMany(command));
};

const tooMany = (command: Command): string =>
  `Too many arguments for "keyhold ${pathOf(command)}". See: keyhold ${pathOf(command)} --help`;

const pathOf = (command: Command): string =>
  command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
