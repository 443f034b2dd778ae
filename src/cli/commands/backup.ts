import { collected } from '../repeated.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Run it on the service's machine, as its user and with its settings, whether a service runs or not. The backup is one
snapshot of every table. It is encrypted under the root key, or to the recipients of age that you name, and read again
before the file gets its name. Restoring it needs the root keys in either case: keep them apart from it.
${examples('keyhold backup /backup/keyhold.backup', 'keyhold backup /backup/keyhold.backup --recipient age1…')}`;

interface Flags {
  readonly recipient?: readonly string[];
  readonly force: boolean;
  readonly strict: boolean;
}

export const register = ({ program, context }: Registration): void => {
  program
    .command('backup')
    .description('write a backup of the whole database')
    .argument('<file>')
    .option(
      '--recipient <recipient>',
      'encrypt to this age recipient (repeatable), in place of the root key',
      collected,
    )
    .option('--force', 'overwrite the file', false)
    .option('--strict', 'write no backup if rows were changed outside of Keyhold', false)
    .addHelpText('after', help)
    .action(async (file: string, { recipient = [], force, strict }: Flags) => {
      const { backup } = await import('../server-side/backup.ts');
      await backup(context, file, { recipients: recipient, force, strict });
    });
};
