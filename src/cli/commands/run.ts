import { argumentFrom, listOptionFrom } from '../completion/sources.ts';
import { collected } from '../repeated.ts';
import type { RunOptions } from '../run/index.ts';
import { examples, type Registration } from './registration.ts';

const help = `${examples(
  'keyhold run -- env                                  your own secrets as variables',
  'keyhold run --only STRIPE_KEY,DB_URL -- ./deploy    these two, from any owner',
  'keyhold run --session chat-42 --tag ci -- make      tagged secrets, the session’s before others of the same name',
  'keyhold run --mask -- bash                          hide values on a terminal too',
)}

Only the command receives the values, as environment variables; dots and dashes in names become underscores. Its
exit code and signals become those of keyhold. The exit code is 127 for a command that is not found, and 126 for one
that cannot be executed.

Loaders, shells and interpreters obey some variables (PATH, LD_*, NODE_OPTIONS …). A secret with such a name is left
out, even your own, because an agent of yours may have created it. If --only names it, nothing is run. Use --prefix
to rename it, or --allow-unsafe-name to pass it.

Where stdout or stderr is not a terminal, values in it are replaced by [masked], also in base64, hexadecimal,
URL-encoded and in JSON, and so is the password of a value that is a URL. Values shorter than 4 bytes are not looked
for. A value that the command changes in another way (reverses, hashes, encrypts, splits) is not recognised. The mask
guards against accidents, not against a hostile command.
`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('run')
    .summary('run a command with secrets as environment variables')
    .description('Run a command with secrets as environment variables that only it receives.')
    .usage('[options] -- command [arguments…]')
    .addArgument(argumentFrom('program', '<command...>', 'the command and its arguments'))
    .addOption(
      listOptionFrom(
        'secrets',
        '--only <names>',
        'only these secrets, by name or id, comma-separated; including those of others',
      ).argParser(collected),
    )
    .option('--tag <tag>', 'only your own secrets with this tag')
    .option('--prefix <prefix>', 'put this before the name of each variable', '')
    .option('--mask', 'hide values on a terminal too')
    .option('--no-mask', 'hide no values')
    .option('--allow-unsafe-name', 'also set variables that loaders and interpreters obey, such as PATH', false)
    .passThroughOptions()
    .addHelpText('after', help)
    .action(async (command: string[], options: RunOptions) => {
      const { runCommand } = await import('../run/index.ts');
      await runCommand(context, command, options);
    });
};
