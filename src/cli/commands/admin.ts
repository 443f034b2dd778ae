import { type Command, Option } from 'commander';
import { type OnConflict, onConflicts } from '../../core/secret-types.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { addReadOptions, type ReadFlags, readOptionsOf } from './import.ts';

const help = `
Run it beside the service, as its user and with its settings. It acts as the operator, is recorded as such, and reaches
nobody's secrets.`;

const example = (...lines: string[]): string => `${help}\n\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;

const users = () => import('../server-side/users.ts');

interface PasswordFlags {
  readonly generate: boolean;
  readonly passwordStdin: boolean;
}

const addPasswordOptions = (command: Command): Command =>
  command
    .option('--generate', 'make up a password and show it once', false)
    .option('--password-stdin', 'read the password from stdin', false);

const passwordOptionsOf = ({ generate, passwordStdin }: PasswordFlags) => ({ generate, stdin: passwordStdin });

const registerUsers = (admin: Command, context: CliContext): void => {
  const user = admin.command('user').description('the users of this service').addHelpText('after', help);
  addPasswordOptions(user.command('add').description('make a user').argument('<username>'))
    .addOption(new Option('--role <role>', 'what they are').choices(['member', 'auditor', 'admin']).default('member'))
    .addHelpText(
      'after',
      example('keyhold admin user add grace', 'keyhold admin user add root2 --role admin --generate'),
    )
    .action(async (name: string, flags: PasswordFlags & { role: 'member' | 'auditor' | 'admin' }) =>
      (await users()).addUser(context, name, { ...passwordOptionsOf(flags), role: flags.role }),
    );
  user
    .command('list')
    .description('list the users')
    .addHelpText('after', example('keyhold admin user list', 'keyhold admin user list --json'))
    .action(async () => (await users()).listUsers(context));
  const status = (verb: 'enable' | 'disable', description: string): void => {
    user
      .command(verb)
      .description(description)
      .argument('<username>')
      .addHelpText('after', example(`keyhold admin user ${verb} grace`))
      .action(async (name: string) =>
        (await users()).setStatus(context, name, verb === 'enable' ? 'active' : 'disabled'),
      );
  };
  status('disable', 'let a user in no longer; their secrets rest until they are enabled');
  status('enable', 'let a disabled user in again');
  addPasswordOptions(
    user
      .command('reset-password')
      .description('set a user’s password; it opens no secret before the waiting time')
      .argument('<username>'),
  )
    .addHelpText('after', example('keyhold admin user reset-password grace --generate'))
    .action(async (name: string, flags: PasswordFlags) =>
      (await users()).resetPassword(context, name, passwordOptionsOf(flags)),
    );
};

interface ImportFlags extends ReadFlags {
  readonly owner: string;
  readonly onConflict: Exclude<OnConflict, 'update'>;
  readonly dryRun: boolean;
}

const registerAdminImport = (admin: Command, context: CliContext): void => {
  const command = admin
    .command('import')
    .description('import a file of secrets for a user, all or none; "keyhold import --help" says what is read')
    .addArgument(argumentFrom('files', '<file>', 'the file, or the old store’s directory'))
    .requiredOption('--owner <username>', 'whose they will be');
  addReadOptions(command)
    .addOption(
      new Option('--on-conflict <way>', 'what becomes of a name that the user has already')
        .choices(onConflicts.filter((one) => one !== 'update'))
        .default('fail'),
    )
    .option('--dry-run', 'say what would happen, and write nothing', false)
    .addHelpText(
      'after',
      example('keyhold admin import ./old-data --owner ada', 'keyhold admin import ci.env --owner ci --dry-run'),
    )
    .action(async (file: string, flags: ImportFlags) => {
      const { importForOwner } = await import('../server-side/import.ts');
      await importForOwner(context, file, {
        ...(await readOptionsOf(flags)),
        owner: flags.owner,
        onConflict: flags.onConflict,
        dryRun: flags.dryRun,
      });
    });
};

/** `keyhold admin …`: what the operator does beside the service. */
export const registerAdmin = (program: Command, context: CliContext): void => {
  const admin = program
    .command('admin')
    .description('users and imports, as the operator beside the service')
    .addHelpText('after', help);
  registerUsers(admin, context);
  registerAdminImport(admin, context);
};
