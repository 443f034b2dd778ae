import { Option } from 'commander';
import { argumentFrom, listOptionFrom } from '../completion/sources.ts';
import { collected } from '../repeated.ts';
import { examples, type Registration } from './registration.ts';

const help = `
The file has mode 0600 and is written whole or not at all. A .env file is written so that npm's dotenv reads every
value back byte for byte. A value that it cannot hold is refused; use JSON instead, which "keyhold import" reads
with types, tags and metadata. Only your own secrets are exported; with --session also your secrets in that session.
${examples(
  'keyhold export billing.env --tag billing',
  'keyhold export backup.json',
  'keyhold export .env.example --names-only',
  'keyhold export - --format json --only STRIPE_KEY',
)}`;

interface ExportFlags {
  readonly format?: 'env' | 'json';
  readonly only?: readonly string[];
  readonly tag?: string;
  readonly namesOnly: boolean;
  readonly force: boolean;
}

export const register = ({ program, context }: Registration): void => {
  program
    .command('export')
    .summary('write your secrets to a .env or JSON file')
    .description('Write your own secrets in plain text to a .env or JSON file that only you can read.')
    .addArgument(argumentFrom('files', '<file>', 'the file to write; - for stdout'))
    .addOption(new Option('--format <format>', 'the format (default: by the file’s name)').choices(['env', 'json']))
    .addOption(
      listOptionFrom('secrets', '--only <names>', 'only these secrets, by name or id, comma-separated').argParser(
        collected,
      ),
    )
    .option('--tag <tag>', 'only those with this tag')
    .option('--names-only', 'write the names without the values; nothing is revealed', false)
    .option('--force', 'overwrite an existing file', false)
    .addHelpText('after', help)
    .action(async (file: string, flags: ExportFlags) => {
      const { exportSecrets } = await import('../transfer/export.ts');
      await exportSecrets(context, file, {
        format: flags.format ?? null,
        only: flags.only ?? null,
        tag: flags.tag ?? null,
        namesOnly: flags.namesOnly,
        force: flags.force,
      });
    });
};
