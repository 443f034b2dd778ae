import { Argument } from 'commander';
import { completionScripts, type Shell } from '../completion/stubs.ts';
import { examples, type Registration } from './registration.ts';

const help = `
The shell then completes commands, options, and the names of your secrets, sessions and profiles and of other users.
It reads names from the service with your stored login or KEYHOLD_CLI_TOKEN, and offers none if that fails or takes
too long. It never asks for a password, and never asks you to unlock the system keyring.
${examples(
  'source <(keyhold completion bash)                                   # in ~/.bashrc',
  `keyhold completion zsh > "\${fpath[1]}/_keyhold"`,
  'keyhold completion fish > ~/.config/fish/completions/keyhold.fish',
)}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('completion')
    .description('print the completion script for a shell')
    .addArgument(new Argument('<shell>').choices(Object.keys(completionScripts)))
    .addHelpText('after', help)
    .action((shell: Shell) => context.out.write(completionScripts[shell]));
};
