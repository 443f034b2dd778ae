import { type Command, Option } from 'commander';
import { offeredRoles } from '../../core/permissions.ts';
import { type OnConflict, onConflicts } from '../../core/secret-types.ts';
import type { CliContext } from '../context.ts';
import type { AssignableRole } from '../server-side/users.ts';
import { addReadOptions, type ReadFlags, readOptionsOf } from './import.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Run it on the service's machine, as its user and with its settings. It acts as the operator, whom the audit log
names, and has access to nobody's secrets.`;

const helpWith = (...lines: string[]): string => `${help}\n${examples(...lines)}`;

export const register = ({ program, context }: Registration): void => {
  const admin = program
    .command('admin')
    .description('manage users and import for them, as the operator on the service’s machine')
    .addHelpText('after', help);
  const user = admin.command('user').description('manage the users of this service').addHelpText('after', help);
  registerAdd(user, context);
  user
    .command('list')
    .description('list the users')
    .addHelpText('after', helpWith('keyhold admin user list', 'keyhold admin user list --json'))
    .action(async () => (await users()).listUsers(context));
  registerStatus(user, context, 'disable', 'shut a user out; their secrets are closed until the user is enabled again');
  registerStatus(user, context, 'enable', 'let a disabled user in again');
  registerResetPassword(user, context);
  registerErase(user, context);
  registerImport(admin, context);
};

const users = () => import('../server-side/users.ts');

interface PasswordFlags {
  readonly generate: boolean;
  readonly passwordStdin: boolean;
}

const addPasswordOptions = (command: Command): Command =>
  command
    .option('--generate', 'generate a password and show it once', false)
    .option('--password-stdin', 'read the password from stdin', false);

const passwordOptionsOf = ({ generate, passwordStdin }: PasswordFlags) => ({ generate, stdin: passwordStdin });

const registerAdd = (user: Command, context: CliContext): void => {
  addPasswordOptions(user.command('add').description('create a user').argument('<username>'))
    .addOption(new Option('--role <role>', 'the role').choices(offeredRoles).default('member'))
    .addHelpText(
      'after',
      helpWith('keyhold admin user add grace', 'keyhold admin user add root2 --role admin --generate'),
    )
    .action(async (name: string, flags: PasswordFlags & { role: AssignableRole }) =>
      (await users()).addUser(context, name, { ...passwordOptionsOf(flags), role: flags.role }),
    );
};

const registerStatus = (user: Command, context: CliContext, verb: 'enable' | 'disable', description: string): void => {
  const status = verb === 'enable' ? 'active' : 'disabled';
  user
    .command(verb)
    .description(description)
    .argument('<username>')
    .addHelpText('after', helpWith(`keyhold admin user ${verb} grace`))
    .action(async (name: string) => (await users()).setStatus(context, name, status));
};

const registerResetPassword = (user: Command, context: CliContext): void => {
  addPasswordOptions(
    user
      .command('reset-password')
      .description('set a user’s password; it opens no secret during the waiting period')
      .argument('<username>'),
  )
    .addHelpText('after', helpWith('keyhold admin user reset-password grace --generate'))
    .action(async (name: string, flags: PasswordFlags) =>
      (await users()).resetPassword(context, name, passwordOptionsOf(flags)),
    );
};

const registerErase = (user: Command, context: CliContext): void => {
  user
    .command('erase')
    .description('erase a user for good, with all their secrets; shows what is lost and asks first')
    .argument('<username>')
    .option('--preview', 'show what would be lost, and erase nothing', false)
    .option('-y, --yes', 'skip the confirmation', false)
    .addHelpText('after', helpWith('keyhold admin user erase grace --preview', 'keyhold admin user erase grace'))
    .action(async (name: string, flags: { readonly preview: boolean; readonly yes: boolean }) =>
      (await import('../server-side/erase-user.ts')).eraseUser(context, name, flags),
    );
};

interface ImportFlags extends ReadFlags {
  readonly owner: string;
  readonly onConflict: Exclude<OnConflict, 'update'>;
  readonly dryRun: boolean;
}

const registerImport = (admin: Command, context: CliContext): void => {
  const command = admin
    .command('import')
    .description('import a file of secrets for a user, all or none; "keyhold import --help" lists the formats')
    .requiredOption('--owner <username>', 'the owner of the secrets');
  addReadOptions(command)
    .addOption(
      new Option('--on-conflict <way>', 'what to do with a name that the user already has')
        .choices(onConflicts.filter((one) => one !== 'update'))
        .default('fail'),
    )
    .option('--dry-run', 'show what would happen, and write nothing', false)
    .addHelpText(
      'after',
      helpWith('keyhold admin import ./old-data --owner ada', 'keyhold admin import ci.env --owner ci --dry-run'),
    )
    .action(async (file: string, flags: ImportFlags) => {
      const { importForOwner } = await import('../server-side/import.ts');
      await importForOwner(context, file, {
        ...readOptionsOf(flags),
        owner: flags.owner,
        onConflict: flags.onConflict,
        dryRun: flags.dryRun,
      });
    });
};
