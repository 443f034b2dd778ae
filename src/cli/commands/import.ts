import { type Command, Option } from 'commander';
import { type OnConflict, onConflicts, type SecretType, secretTypes } from '../../core/secret-types.ts';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import { collected } from '../repeated.ts';
import { type Format, formats } from '../transfer/formats.ts';
import { examples, type Registration } from './registration.ts';

const help = `
These formats are read:
  .env    as npm's dotenv reads it, with quotes, multi-line values, export and comments; of a repeated name the last
  JSON    names with their values, or a list of secrets as "keyhold export --format json" writes it
  YAML    the same
  store   an old secrets.json (or its directory), with its secrets.key next to it or given by --key. General secrets
          become yours alone. A chat's secrets go into your session of that name, which is started if you have none

A file is imported whole or not at all. A name with other characters than A-Z a-z 0-9 _ . - is changed, and the
original is kept in the metadata as original_name. Empty values are left out. Expired secrets are left out too,
unless --keep-expired-without-expiry keeps them without an expiry (the metadata then has the time as expired_at).
${examples(
  'keyhold import .env --dry-run',
  'keyhold import .env --on-conflict update --tag billing',
  'keyhold import ./old-data --key /etc/old/secrets.key',
  'keyhold import chat.env --session chat-42',
)}`;

/** The file to import, and the options that say how to read it; of `import` and `admin import`. */
export const addReadOptions = (command: Command): Command =>
  command
    .addArgument(argumentFrom('files', '<file>', 'the file, or the old store’s directory'))
    .addOption(new Option('--format <format>', 'the format, where the file’s name does not tell').choices(formats))
    .addOption(new Option('--type <type>', 'the type, where the file gives none').choices(secretTypes).default('other'))
    .addOption(optionFrom('files', '--key <file>', 'the old store’s key (default: secrets.key next to it)'))
    .option('--keep-expired-without-expiry', 'keep expired secrets, without an expiry', false);

export interface ReadFlags {
  readonly format?: Format;
  readonly type: SecretType;
  readonly key?: string;
  readonly keepExpiredWithoutExpiry: boolean;
}

export const readOptionsOf = (flags: ReadFlags) => ({
  format: flags.format ?? null,
  type: flags.type,
  keyFile: flags.key ?? null,
  keepExpired: flags.keepExpiredWithoutExpiry,
  now: new Date(),
});

interface ImportFlags extends ReadFlags {
  readonly onConflict: OnConflict;
  readonly tag?: readonly string[];
  readonly dryRun: boolean;
  readonly chunked: boolean;
}

export const register = ({ program, context }: Registration): void => {
  const command = program
    .command('import')
    .summary('import secrets from a .env, JSON or YAML file, or the old file store')
    .description(
      'Import the secrets of a .env, JSON or YAML file, or of the old file store. All are imported, or none.',
    );
  addReadOptions(command)
    .addOption(
      new Option('--on-conflict <way>', 'what to do with a name that you already have')
        .choices(onConflicts)
        .default('fail'),
    )
    .option('--tag <tags>', 'tags for every secret, comma-separated', collected)
    .option('--dry-run', 'show what would happen, and write nothing', false)
    .option('--chunked', 'import in parts, for files too large for one request', false)
    .addHelpText('after', help)
    .action(async (file: string, flags: ImportFlags) => {
      const { importFile } = await import('../transfer/import.ts');
      await importFile(context, file, {
        ...readOptionsOf(flags),
        onConflict: flags.onConflict,
        tags: flags.tag ?? [],
        dryRun: flags.dryRun,
        chunked: flags.chunked,
      });
    });
};
