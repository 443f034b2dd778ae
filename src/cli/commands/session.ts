import { type Command, Option } from 'commander';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';
import type { ListOptions, StartOptions } from '../sessions/session.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Name a session by its id, or by the name that your platform gave it.
${examples(
  'keyhold session start chat-42 --title "Deploy the billing service" --with grace',
  'keyhold ls --session chat-42',
  'keyhold session end chat-42',
)}`;

const load = () => import('../sessions/session.ts');

export const register = ({ program, context }: Registration): void => {
  const session = program
    .command('session')
    .description('manage sessions of work: their participants and the secrets lent to them')
    .addHelpText('after', help);
  registerLooking(session, context);
  registerParticipants(session, context);
  session
    .command('end')
    .description('end one of your sessions, after showing what that does to its secrets')
    .addArgument(argumentFrom('sessions', '<session>'))
    .option('-y, --yes', 'skip the confirmation')
    .addHelpText('after', examples('keyhold session end chat-42', 'keyhold session end chat-42 --yes'))
    .action(async (name: string, options: { yes?: boolean }) => (await load()).end(context, name, options));
};

const registerLooking = (session: Command, context: CliContext): void => {
  session
    .command('start')
    .description('start a session')
    .argument('[name]', 'the name that you or your platform use for it')
    .option('--title <title>', 'what it is about')
    .addOption(
      optionFrom('users', '--with <user>', 'somebody to invite, by username or id; may be repeated').argParser(
        collected,
      ),
    )
    .option('--expires <when>', 'when it ends by itself: an instant, or a duration such as 8h or 7d')
    .addHelpText(
      'after',
      examples('keyhold session start', 'keyhold session start chat-42 --with grace --with linus --expires 8h'),
    )
    .action(async (name: string | undefined, options: StartOptions) => (await load()).start(context, name, options));
  session
    .command('list')
    .description('list your invitations and the sessions that you are in, newest first')
    .option('--all', 'include ended sessions')
    .addOption(
      new Option('--state <state>', 'only your invitations, or only active or ended sessions').choices([
        'invited',
        'active',
        'ended',
      ]),
    )
    .addHelpText('after', examples('keyhold session list', 'keyhold session list --state invited'))
    .action(async (options: ListOptions) => (await load()).list(context, options));
  session
    .command('show')
    .description('show a session, its participants and the secrets in it that you have access to')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addHelpText('after', examples('keyhold session show chat-42'))
    .action(async (name: string) => (await load()).show(context, name));
};

const registerParticipants = (session: Command, context: CliContext): void => {
  session
    .command('join')
    .description('join a session that you were invited to or have left')
    .addArgument(argumentFrom('invitations', '<session>'))
    .addHelpText('after', examples('keyhold session join 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e20'))
    .action(async (name: string) => (await import('../sessions/invitations.ts')).join(context, name));
  session
    .command('add')
    .description('invite participants to one of your sessions')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addArgument(argumentFrom('users', '<user...>', 'their usernames or ids'))
    .addHelpText('after', examples('keyhold session add chat-42 grace'))
    .action(async (name: string, users: string[]) => (await load()).add(context, name, users));
  session
    .command('remove')
    .description('remove a participant from one of your sessions, with immediate effect')
    .addArgument(argumentFrom('sessions', '<session>'))
    .addArgument(argumentFrom('users', '<user>', 'their username or id'))
    .addHelpText('after', examples('keyhold session remove chat-42 grace'))
    .action(async (name: string, user: string) => (await load()).remove(context, name, user));
  session
    .command('leave')
    .description(
      'leave a session, or decline an invitation; the others lose access to your secrets in it. A session that you own goes to the participant who has been in it longest, or ends where nobody else is in it',
    )
    .addArgument(argumentFrom('sessions', '<session>'))
    .addOption(optionFrom('users', '--new-owner <user>', 'who gets a session that you own, by username or id'))
    .addHelpText('after', examples('keyhold session leave chat-42', 'keyhold session leave chat-42 --new-owner grace'))
    .action(async (name: string, options: { newOwner?: string }) => (await load()).leave(context, name, options));
};
