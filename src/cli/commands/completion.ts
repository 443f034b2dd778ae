import { Argument, type Command } from 'commander';
import { completionScripts, type Shell } from '../completion/stubs.ts';
import type { CliContext } from '../context.ts';

const help = `
The shell then completes commands and options, and the names of your secrets, sessions and profiles and of other users. It
reads names from the service by your stored login or KEYHOLD_CLI_TOKEN, and offers none where that does not work within a
moment. It never asks for a password, nor to unlock the system keyring.

Examples:
  source <(keyhold completion bash)                                   # in ~/.bashrc
  keyhold completion zsh > "\${fpath[1]}/_keyhold"
  keyhold completion fish > ~/.config/fish/completions/keyhold.fish`;

/** `completion`: the script by which a shell completes commands, options and names. */
export const registerCompletion = (program: Command, context: CliContext): void => {
  program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(Object.keys(completionScripts)))
    .addHelpText('after', help)
    .action((shell: Shell) => context.out.write(completionScripts[shell]));
};
