import type { Command } from 'commander';
import { optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import type { PasswordOptions } from '../keys/administrator.ts';
import type { RetireOptions } from '../keys/retire.ts';
import type { JobOptions } from '../keys/start.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Keys are administered over the API. What "keyhold login" stores may not administer, so you are asked for your
password; KEYHOLD_CLI_TOKEN may hold a token with the permission admin instead. docs/operations.md, "Rotating keys",
says when to rotate which key.`;

const following = `
It shows how far the service is: a progress bar on a terminal, and a line of JSON for each change where stdout is no
terminal or with --json. Ctrl-C ends only the command; the service goes on.`;

const helpWith = (...lines: string[]): string => `${help}\n${examples(...lines)}`;
const helpOfJob = (...lines: string[]): string => `${help}\n${following}\n${examples(...lines)}`;

const passwordStdin = ['--password-stdin', 'read the password from stdin', false] as const;
const noWait = ['--no-wait', 'print the id of the job and do not follow it'] as const;

export const register = ({ program, context }: Registration): void => {
  const keys = program
    .command('keys')
    .description('look at root keys, owner keys and seal keys, and replace them (administrators)')
    .addHelpText('after', help);
  keys
    .command('status')
    .description('show the keys, what needs them, the services that hold them, and what can be done next')
    .option(...passwordStdin)
    .addHelpText('after', helpWith('keyhold keys status', 'keyhold keys status --json'))
    .action(async (options: PasswordOptions) => (await import('../keys/status.ts')).showStatus(context, options));
  keys
    .command('reload')
    .description('have the service that answers read its root keys again')
    .option(...passwordStdin)
    .addHelpText('after', helpWith('keyhold keys reload'))
    .action(async (options: PasswordOptions) => (await start()).reload(context, options));
  registerRotateRoot(keys, context);
  registerJobs(keys, context);
  registerRetire(keys, context);
  keys
    .command('cancel')
    .description('end a rewrapping or re-encryption that is under way; what it has done stays')
    .argument('<job>', 'the id of the job')
    .option(...passwordStdin)
    .addHelpText('after', helpWith('keyhold keys cancel 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e21'))
    .action(async (id: string, options: PasswordOptions) => (await start()).cancel(context, id, options));
};

const start = () => import('../keys/start.ts');

const registerRotateRoot = (keys: Command, context: CliContext): void => {
  keys
    .command('rotate-root')
    .description('replace the root key in its file, and wrap every owner key under the new one')
    .option(...noWait)
    .option(...passwordStdin)
    .addHelpText(
      'after',
      helpOfJob('keyhold keys rotate-root', 'keyhold keys rotate-root --password-stdin < password.txt'),
    )
    .action(async (options: JobOptions) => (await import('../keys/rotate-root.ts')).rotateRoot(context, options));
};

const registerJobs = (keys: Command, context: CliContext): void => {
  keys
    .command('rewrap')
    .description('wrap every owner key under the primary root key')
    .option(...noWait)
    .option(...passwordStdin)
    .addHelpText('after', helpOfJob('keyhold keys rewrap', 'keyhold keys rewrap --no-wait'))
    .action(async (options: JobOptions) => (await start()).rewrap(context, options));
  keys
    .command('reencrypt')
    .description('give everybody a new owner key, or one user, and encrypt their values with it')
    .addOption(optionFrom('users', '--user <user>', 'only this user, by username or id'))
    .option(...noWait)
    .option(...passwordStdin)
    .addHelpText('after', helpOfJob('keyhold keys reencrypt', 'keyhold keys reencrypt --user ada'))
    .action(async (options: JobOptions & { user?: string }) => (await start()).reencrypt(context, options));
  keys
    .command('rotate-seal')
    .description('make a new seal key, and seal every row with it but audit records')
    .option(...noWait)
    .option(...passwordStdin)
    .addHelpText('after', helpOfJob('keyhold keys rotate-seal'))
    .action(async (options: JobOptions) => (await start()).rotateSeal(context, options));
};

/** A row's key may hold commas and spaces, so that each option names one row. */
const oneMore = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const registerRetire = (keys: Command, context: CliContext): void => {
  keys
    .command('retire')
    .description('retire a root key or a seal key that nothing needs any more; this cannot be undone')
    .argument('<key>', 'the id of a root key or of a seal key')
    .option('--end-logins', 'end the logins that need the root key, instead of waiting until they are refreshed', false)
    .option('--give-up <row>', 'remove a row that does not open, as TABLE:KEY, for good; may be repeated', oneMore)
    .option('-y, --yes', 'skip the confirmation', false)
    .option(...noWait)
    .option(...passwordStdin)
    .addHelpText(
      'after',
      helpWith(
        'keyhold keys retire 5b1f0c9a7e3d2468',
        'keyhold keys retire 5b1f0c9a7e3d2468 --end-logins --yes',
        'keyhold keys retire 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f --give-up secrets:0199d6f2-7b3a-7d1e-8c5f-1a2b3c4d5e6f',
      ),
    )
    .action(async (key: string, options: RetireOptions) =>
      (await import('../keys/retire.ts')).retire(context, key, options),
    );
};
