import { type Command, Option } from 'commander';
import { type OnConflict, onConflicts, type SecretType, secretTypes } from '../../core/secret-types.ts';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';

const formats = ['env', 'json', 'yaml', 'store'];

const help = `
What is read:
  .env    as npm's dotenv reads it: quotes, several lines, export, comments; of a name that comes twice, the last
  JSON    names with their values, or a list of secrets as "keyhold export --format json" writes it
  YAML    the same
  store   an old secrets.json (or its directory) with its secrets.key beside it, or named by --key: what was general is
          yours alone, what belonged to a chat goes into your session of that name, which is started if there is none

All of a file is imported or nothing. A name that doesn't fit (A-Z a-z 0-9 _ . -) is mapped, and the original kept in the
metadata as original_name. An empty value is left out. So is what has expired, unless --keep-expired-without-expiry keeps
it as a secret without expiry (the moment is then in its metadata as expired_at).

Examples:
  keyhold import .env --dry-run
  keyhold import .env --on-conflict update --tag billing
  keyhold import ./old-data --key /etc/old/secrets.key
  keyhold import chat.env --session chat-42`;

/** The options that reading a file takes, for everybody's import and the operator's. */
export const addReadOptions = (command: Command): Command =>
  command
    .addOption(new Option('--format <format>', 'what the file is, where its name doesn’t say it').choices(formats))
    .addOption(new Option('--type <type>', 'the type where the file names none').choices(secretTypes).default('other'))
    .addOption(optionFrom('files', '--key <file>', 'the old store’s key (default: secrets.key beside it)'))
    .option('--keep-expired-without-expiry', 'keep what has expired, without an expiry', false);

export interface ReadFlags {
  readonly format?: string;
  readonly type: SecretType;
  readonly key?: string;
  readonly keepExpiredWithoutExpiry: boolean;
}

/** Those options as the reader takes them. */
export const readOptionsOf = async (flags: ReadFlags) => {
  const { formats: known } = await import('../transfer/read-file.ts');
  return {
    format: known.find((one) => one === flags.format) ?? null,
    type: flags.type,
    keyFile: flags.key ?? null,
    keepExpired: flags.keepExpiredWithoutExpiry,
    now: new Date(),
  };
};

interface ImportFlags extends ReadFlags {
  readonly onConflict: OnConflict;
  readonly tag?: readonly string[];
  readonly dryRun: boolean;
  readonly chunked: boolean;
}

/** `keyhold import`: a file's secrets become yours. */
export const registerImport = (program: Command, context: CliContext): void => {
  const command = program
    .command('import')
    .summary('import secrets from .env, JSON, YAML or the old file store')
    .description('Import secrets from a .env, JSON or YAML file, or from the old file store, all or none.')
    .addArgument(argumentFrom('files', '<file>', 'the file, or the old store’s directory'));
  addReadOptions(command)
    .addOption(
      new Option('--on-conflict <way>', 'what becomes of a name that you have already')
        .choices(onConflicts)
        .default('fail'),
    )
    .option('--tag <tags>', 'give these tags to every secret, comma-separated', collected)
    .option('--dry-run', 'say what would happen, and write nothing', false)
    .option('--chunked', 'import part by part, for more than one request takes', false)
    .addHelpText('after', help)
    .action(async (file: string, flags: ImportFlags) => {
      const { importFile } = await import('../transfer/import.ts');
      await importFile(context, file, {
        ...(await readOptionsOf(flags)),
        onConflict: flags.onConflict,
        tags: flags.tag ?? [],
        dryRun: flags.dryRun,
        chunked: flags.chunked,
      });
    });
};
