import type { Command } from 'commander';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import type { PasswordOptions } from '../keys/administrator.ts';
import type { AdminOptions } from '../secrets/handover.ts';
import { examples, type Registration } from './registration.ts';

const load = () => import('../secrets/handover.ts');

const help = examples(
  'keyhold handover offer DEPLOY_KEY grace',
  'keyhold handover list',
  'keyhold handover accept 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e50',
);

export const register = ({ program, context }: Registration): void => {
  const handover = program
    .command('handover')
    .description('give secrets to a new owner, and accept what is offered to you')
    .addHelpText('after', help);
  registerOffers(handover, context);
  handover
    .command('list')
    .description('list what you give, get or have asked for, newest first')
    .option(...asAdmin)
    .option(...passwordStdin)
    .addHelpText('after', examples('keyhold handover list', 'keyhold handover list --admin'))
    .action(async (options: AdminOptions) => (await load()).list(context, options));
  handover
    .command('accept')
    .description('accept what is offered to you; it is yours from then on')
    .argument('<id>', 'its id, from "keyhold handover list"')
    .option('--name <name>', 'take the secret under another name, where you use its own already')
    .addHelpText(
      'after',
      examples(
        'keyhold handover accept 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e50',
        'keyhold handover accept 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e50 --name DEPLOY_KEY_OF_ADA',
      ),
    )
    .action(async (id: string, options: { name?: string }) => (await load()).accept(context, id, options));
  handover
    .command('cancel')
    .description('call an offer off, or decline it')
    .argument('<id>', 'its id, from "keyhold handover list"')
    .option(...asAdmin)
    .option(...passwordStdin)
    .addHelpText('after', examples('keyhold handover cancel 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e50'))
    .action(async (id: string, options: AdminOptions) => (await load()).cancel(context, id, options));
};

const asAdmin = [
  '--admin',
  'as an administrator, also what is handed over of users; you are asked for your password',
] as const;
const passwordStdin = ['--password-stdin', 'read the password of an administrator from stdin'] as const;

const helpOfUser = `
What "keyhold login" stores may not administer, so you are asked for your password; KEYHOLD_CLI_TOKEN may hold a token
with the permission admin instead.
${examples('keyhold handover user ada --to grace')}`;

const keepSharing = 'those with whom it is shared keep their access';

const registerOffers = (handover: Command, context: CliContext): void => {
  handover
    .command('offer')
    .description('offer one of your secrets to a new owner, who has to accept it')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addArgument(argumentFrom('users', '<user>', 'their username or id'))
    .option('--keep-sharing', keepSharing)
    .addHelpText('after', examples('keyhold handover offer DEPLOY_KEY grace --keep-sharing'))
    .action(async (name: string, user: string, options: { keepSharing?: boolean }) =>
      (await load()).offer(context, name, user, options),
    );
  handover
    .command('user')
    .description('offer everything that a disabled user owns to a new owner (administrators)')
    .addArgument(argumentFrom('users', '<user>', 'their username or id'))
    .addOption(optionFrom('users', '--to <user>', 'the new owner, by username or id').makeOptionMandatory())
    .option('--keep-sharing', keepSharing)
    .option(...passwordStdin)
    .addHelpText('after', helpOfUser)
    .action(async (user: string, options: PasswordOptions & { to: string; keepSharing?: boolean }) =>
      (await load()).offerAll(context, user, options),
    );
};
