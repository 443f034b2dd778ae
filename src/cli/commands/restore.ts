import { collected } from '../repeated.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Run it on the service's machine, as its user and with its settings, while no service runs. The whole backup is verified
before anything is touched. It is restored into a new database only: an embedded one that does not exist yet, or an
external one without tables. An interrupted restore leaves the database empty.
${examples(
  'keyhold restore /backup/keyhold.backup',
  'keyhold restore /backup/keyhold.backup --check',
  'keyhold restore --release',
)}`;

interface Flags {
  readonly identity?: readonly string[];
  readonly without?: readonly string[];
  readonly check: boolean;
  readonly release: boolean;
}

export const register = ({ program, context, excess }: Registration): void => {
  const command = program
    .command('restore')
    .description('restore a backup into a new database')
    .argument('[file]')
    .option('--identity <file>', 'a file with the age identity that decrypts the backup (repeatable)', collected)
    .option('--check', 'only verify the backup', false)
    .option('--without <table>', 'leave out a table that Keyhold does not know (repeatable)', collected)
    .option('--release', 'let what is due because of its age happen again after a restore', false)
    .addHelpText('after', help)
    .action(async (file: string | undefined, { identity = [], without = [], ...flags }: Flags) => {
      const { restore } = await import('../server-side/restore.ts');
      await restore(context, file, { ...flags, identity, without });
    });
  excess.set(
    command,
    'This command restores a backup of the database. To set a secret to an earlier version: keyhold history <name> --restore <version>',
  );
};
