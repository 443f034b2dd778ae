import type { Command } from 'commander';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';

const sessionHelp = `
A session is named by its id, or by the name that your platform gave it.

Examples:
  keyhold session start chat-42 --title "Deploy the billing service" --with grace
  keyhold ls --session chat-42
  keyhold session end chat-42`;

const load = () => import('../sessions/index.ts');

/** `session …`: start, list, show, add, remove, leave, end. */
export const registerSessions = (program: Command, context: CliContext): void => {
  const session = program
    .command('session')
    .description('sessions of work: who is present, and what is lent to them')
    .addHelpText('after', sessionHelp);
  session
    .command('start')
    .description('start a session')
    .argument('[name]', 'the name by which you or your platform know it')
    .option('--title <title>', 'what it is about')
    .addOption(
      optionFrom('users', '--with <user>', 'who else is present, by username or id; may be repeated').argParser(
        collected,
      ),
    )
    .option('--expires <when>', 'when it ends by itself: an instant, or a span such as 8h or 7d')
    .addHelpText(
      'after',
      '\nExamples:\n  keyhold session start\n  keyhold session start chat-42 --with grace --with linus --expires 8h',
    )
    .action(async (name: string | undefined, options) => (await load()).start(context, name, options));
  session
    .command('list')
    .description('list the sessions in which you are present, newest first')
    .option('--all', 'ended ones as well')
    .addHelpText('after', '\nExamples:\n  keyhold session list\n  keyhold session list --all --json')
    .action(async (options) => (await load()).list(context, options));
  session
    .command('show')
    .description('show one session: its participants, and the secrets in it that you see')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addHelpText('after', '\nExamples:\n  keyhold session show chat-42')
    .action(async (name: string) => (await load()).show(context, name));
  session
    .command('add')
    .description('add participants to a session of yours')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addArgument(argumentFrom('users', '<user...>', 'by username or id'))
    .addHelpText('after', '\nExamples:\n  keyhold session add chat-42 grace')
    .action(async (name: string, users: string[]) => (await load()).add(context, name, users));
  session
    .command('remove')
    .description('take a participant out of a session of yours; at once it is closed to them')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addArgument(argumentFrom('users', '<user>', 'by username or id'))
    .addHelpText('after', '\nExamples:\n  keyhold session remove chat-42 grace')
    .action(async (name: string, user: string) => (await load()).remove(context, name, user));
  session
    .command('leave')
    .description('leave a session; your secrets in it leave with you')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addHelpText('after', '\nExamples:\n  keyhold session leave chat-42')
    .action(async (name: string) => (await load()).leave(context, name));
  session
    .command('end')
    .description('end a session of yours: show what becomes of its secrets, ask, and end it')
    .addArgument(argumentFrom('sessions', '<session>'))
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExamples:\n  keyhold session end chat-42\n  keyhold session end chat-42 --yes')
    .action(async (name: string, options) => (await load()).end(context, name, options));
};
