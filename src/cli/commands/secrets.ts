import { type Command, Option } from 'commander';
import { exposures, ownerFilters, scopes, secretStates, secretTypes } from '../../core/secret-types.ts';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';

const referenceHelp = `
NAME is a secret's name or id. A name means the session's secret, then your own, then one shared with you; owner/NAME
names that owner's.`;

const neverFromArguments =
  'A value is never taken from the command line: other users see it in the process list, and the shell keeps it in its ' +
  'history. Leave it out and you are asked for it, or give it by stdin or --file. If the one you typed is real, take it ' +
  'out of the history and change it.';

const examples = (...lines: string[]): string => `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;

const reading = () => import('../secrets/reading.ts');
const writing = () => import('../secrets/writing.ts');
const sharing = () => import('../secrets/sharing.ts');
const managing = () => import('../secrets/managing.ts');

const addReading = (program: Command, context: CliContext): void => {
  program
    .command('ls')
    .description('list the secrets that you can see, newest first; never a value')
    .argument('[text]', 'only those with this in their name or description')
    .addOption(new Option('--type <type>', 'only of this type').choices(secretTypes))
    .addOption(new Option('--scope <scope>', 'only of this scope').choices(scopes))
    .option('--tag <tag>', 'only with this tag')
    .addOption(new Option('--owner <owner>', 'only your own, or only others’').choices(ownerFilters))
    .addOption(new Option('--state <state>', 'only in this state').choices(secretStates))
    .option('--limit <count>', 'at most so many')
    .addHelpText(
      'after',
      examples(
        'keyhold ls',
        'keyhold ls --owner others',
        'keyhold ls --tag billing --json',
        'keyhold ls --state deleted',
      ),
    )
    .action(async (text: string | undefined, options) => (await reading()).list(context, text, options));
  program
    .command('get')
    .description('print a value, and nothing else; a line end follows on a terminal only')
    .addArgument(argumentFrom('secrets', '<name>'))
    .option('--field <field>', 'print this field in place of the value; anything but the value reveals nothing')
    .addHelpText(
      'after',
      referenceHelp +
        examples(
          'keyhold get STRIPE_KEY',
          'keyhold get grace/STRIPE_KEY | pbcopy',
          'keyhold get DEPLOY_KEY --session chat-42 > key.pem',
          'keyhold get STRIPE_KEY --field expires_at',
          'keyhold get STRIPE_KEY --json',
        ),
    )
    .action(async (name: string, options) => (await reading()).get(context, name, options));
};

const addWriting = (program: Command, context: CliContext, excess: Map<Command, string>): void => {
  const set = program
    .command('set')
    .description('create a secret, or give one of yours a new value')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addOption(optionFrom('files', '-f, --file <path>', 'the value is this file’s content, to the byte'))
    .option('-g, --generate', 'make a random value')
    .option('--length <characters>', 'of the random value', '32')
    .addOption(new Option('--type <type>', 'what it is (default: other)').choices(secretTypes))
    .option('--tag <tag>', 'a tag, in place of those that it has; may be repeated', collected)
    .option('--description <text>', 'what it is for')
    .option('--expires <when>', 'an instant, a span such as 90d, or never')
    .addOption(new Option('--exposure <exposure>', 'whether others may reveal it or only use it').choices(exposures))
    .addOption(
      new Option('--scope <scope>', 'yours alone, or of the session').choices(
        scopes.filter((scope) => scope !== 'shared'),
      ),
    )
    .addHelpText(
      'after',
      `
The value is asked for without being shown; or it comes from stdin, to the byte but for one line end at its end, or from
a file. It is never an argument. With --session the secret belongs to the session; KEYHOLD_CLI_SESSION alone puts nothing
there, --scope session does.
${examples(
  'keyhold set STRIPE_KEY --type api_key --tag billing',
  'pbpaste | keyhold set STRIPE_KEY',
  'keyhold set DEPLOY_KEY --file ~/.ssh/deploy --type ssh_key --session chat-42',
  'keyhold set DB_PASSWORD --generate --length 40 --expires 90d',
)}`,
    )
    .action(async (name: string, options) => (await writing()).set(context, name, options));
  excess.set(set, neverFromArguments);
  program
    .command('edit')
    .description('edit a value of yours in $VISUAL or $EDITOR')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold edit STRIPE_KEY', 'EDITOR="code --wait" keyhold edit CONFIG'))
    .action(async (name: string) => (await import('../secrets/edit.ts')).edit(context, name));
};

const addRemoving = (program: Command, context: CliContext): void => {
  program
    .command('rm')
    .description('delete a secret of yours; for 30 days it can be recovered')
    .addArgument(argumentFrom('secrets', '<name>'))
    .option('--purge', 'erase it for good, value and versions')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', examples('keyhold rm OLD_KEY', 'keyhold rm OLD_KEY --purge --yes'))
    .action(async (name: string, options) => (await managing()).remove(context, name, options));
  program
    .command('recover')
    .description('bring a deleted secret back')
    .addArgument(argumentFrom('deleted-secrets', '<name>'))
    .addHelpText('after', examples('keyhold ls --state deleted', 'keyhold recover OLD_KEY'))
    .action(async (name: string) => (await managing()).recover(context, name));
};

const addSharing = (program: Command, context: CliContext): void => {
  program
    .command('share')
    .description('let other users see and reveal a secret of yours')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addArgument(argumentFrom('users', '<user>', 'by username or id'))
    .addHelpText('after', examples('keyhold share STRIPE_KEY grace'))
    .action(async (name: string, user: string) => (await sharing()).share(context, name, user));
  program
    .command('unshare')
    .description('take a user off a secret of yours, or yourself off another’s')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addArgument(argumentFrom('users', '[user]', 'by username or id; left out, yourself'))
    .addHelpText('after', examples('keyhold unshare STRIPE_KEY grace', 'keyhold unshare grace/STRIPE_KEY'))
    .action(async (name: string, user: string | undefined) => (await sharing()).unshare(context, name, user));
  program
    .command('access')
    .description('show who can reach a secret of yours now, and why')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold access STRIPE_KEY'))
    .action(async (name: string) => (await sharing()).access(context, name));
};

const addManaging = (program: Command, context: CliContext): void => {
  program
    .command('history')
    .description('list the versions of a value, newest first')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold history STRIPE_KEY'))
    .action(async (name: string) => (await managing()).history(context, name));
  program
    .command('restore')
    .description('write the value of an old version as the newest')
    .addArgument(argumentFrom('secrets', '<name>'))
    .argument('<version>')
    .addHelpText('after', examples('keyhold restore STRIPE_KEY 3'))
    .action(async (name: string, version: string) => (await managing()).restore(context, name, version));
  program
    .command('transfer')
    .description('move a secret of yours into a session, or back to you alone')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addOption(optionFrom('sessions', '--to-session <session>', 'into this session').conflicts('toUser'))
    .option('--to-user', 'to you alone')
    .addHelpText(
      'after',
      examples(
        'keyhold transfer DEPLOY_KEY --to-session chat-42',
        'keyhold transfer DEPLOY_KEY --session chat-42 --to-user',
      ),
    )
    .action(async (name: string, options) => (await managing()).transfer(context, name, options));
  const one = (verb: 'activate' | 'deactivate', description: string): void => {
    program
      .command(verb)
      .description(description)
      .addArgument(argumentFrom('secrets', '<name>'))
      .addHelpText('after', examples(`keyhold ${verb} STRIPE_KEY`))
      .action(async (name: string) => (await managing()).switchState(context, name, verb));
  };
  one('deactivate', 'let nobody reveal or use a secret of yours, until it is activated');
  one('activate', 'let a secret be revealed and used again');
};

/** Every command about one’s secrets but `run`, `import` and `export`. */
export const registerSecrets = (program: Command, context: CliContext, excess: Map<Command, string>): void => {
  addReading(program, context);
  addWriting(program, context, excess);
  addSharing(program, context);
  addManaging(program, context);
  addRemoving(program, context);
};
