import type { Command } from 'commander';
import { argumentFrom, listOptionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';
import type { RunOptions } from '../run/index.ts';

const examples = `
Examples:
  keyhold run -- env                                  your own secrets as variables
  keyhold run --only STRIPE_KEY,DB_URL -- ./deploy    these two, whoever owns them
  keyhold run --session chat-42 --tag ci -- make      tagged ones, those of the session before others of their name
  keyhold run --mask -- bash                          also on a terminal, hide values in what is shown

Values go to the command alone, as environment variables; dots and dashes in names become underscores. Its exit code
and signals are those of keyhold. A command that is not found ends in 127, one that cannot be executed in 126.

A secret that bears the name of a variable which loaders, shells and interpreters obey (PATH, LD_*, NODE_OPTIONS …) is
left out, your own too, since an agent of yours may have made it, and refused where --only names it: --prefix renames
it, --allow-unsafe-name takes it.

Where its stdout or stderr is no terminal, values in it are shown as [masked], also in base64, URL-encoded and in JSON.
Values shorter than 4 bytes are not looked for. What a command does to a value otherwise (reversing, hashing,
encrypting, cutting it up) hides it from the mask: it guards against accidents, not against a hostile command.
`;

/** `keyhold run`: a command with secrets in its environment. */
export const registerRun = (program: Command, context: CliContext): void => {
  program
    .command('run')
    .summary('run a command with secrets as environment variables')
    .description('Run a command with secrets as environment variables of it alone.')
    .usage('[options] -- command [arguments…]')
    .addArgument(argumentFrom('program', '<command...>', 'the command and its arguments'))
    .addOption(
      listOptionFrom(
        'secrets',
        '--only <names>',
        'these secrets only, by names or ids, comma-separated; also other people’s',
      ).argParser(collected),
    )
    .option('--tag <tag>', 'of your own, those with this tag')
    .option('--prefix <prefix>', 'put this before each variable’s name', '')
    .option('--mask', 'hide values on a terminal as well')
    .option('--no-mask', 'hide values nowhere')
    .option('--allow-unsafe-name', 'also set variables that loaders and interpreters obey, such as PATH', false)
    .passThroughOptions()
    .addHelpText('after', examples)
    .action(async (command: string[], options: RunOptions) => {
      const { runCommand } = await import('../run/index.ts');
      await runCommand(context, command, options);
    });
};
