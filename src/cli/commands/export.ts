import { type Command, Option } from 'commander';
import { argumentFrom, listOptionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';

const help = `
The file is written with mode 0600, whole or not at all. A .env is spelt so that npm's dotenv reads it back byte for byte;
a value that it cannot hold is refused: take JSON, which "keyhold import" takes again with types, tags and metadata.
Only your own secrets are exported; with --session also those in the session.

Examples:
  keyhold export billing.env --tag billing
  keyhold export backup.json
  keyhold export .env.example --names-only
  keyhold export - --format json --only STRIPE_KEY`;

interface ExportFlags {
  readonly format?: string;
  readonly only?: readonly string[];
  readonly tag?: string;
  readonly namesOnly: boolean;
  readonly force: boolean;
}

const formatOf = (text: string | undefined): 'env' | 'json' | null => (text === 'env' || text === 'json' ? text : null);

/** `keyhold export`: your secrets into a file. */
export const registerExport = (program: Command, context: CliContext): void => {
  program
    .command('export')
    .summary('write your secrets to a .env or JSON file')
    .description('Write your own secrets in plain text to a .env or JSON file that only you may read.')
    .addArgument(argumentFrom('files', '<file>', 'the file to make; - for stdout'))
    .addOption(new Option('--format <format>', 'what to write (default: by the name)').choices(['env', 'json']))
    .addOption(
      listOptionFrom('secrets', '--only <names>', 'these secrets only, by names or ids, comma-separated').argParser(
        collected,
      ),
    )
    .option('--tag <tag>', 'those with this tag')
    .option('--names-only', 'the names without the values; nothing is revealed', false)
    .option('--force', 'replace a file that is there', false)
    .addHelpText('after', help)
    .action(async (file: string, flags: ExportFlags) => {
      const { exportSecrets } = await import('../transfer/export.ts');
      await exportSecrets(context, file, {
        format: formatOf(flags.format),
        only: flags.only ?? null,
        tag: flags.tag ?? null,
        namesOnly: flags.namesOnly,
        force: flags.force,
      });
    });
};
