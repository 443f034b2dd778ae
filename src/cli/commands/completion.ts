import { Argument, type Command } from 'commander';
import type { CliContext } from '../context.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

const help = `
Examples:
  source <(keyhold completion bash)                                   # in ~/.bashrc
  keyhold completion zsh > "\${fpath[1]}/_keyhold"
  keyhold completion fish > ~/.config/fish/completions/keyhold.fish`;

/** `completion`: a script for the shell. It completes commands and options, and asks no server for names. */
export const registerCompletion = (program: Command, context: CliContext): void => {
  program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText('after', help)
    .action(async (shell: (typeof shells)[number]) => {
      const { completionScript } = await import('../completion.ts');
      await context.out.write(completionScript(program, shell));
    });
};
