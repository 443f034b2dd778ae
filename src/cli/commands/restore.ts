import { collected } from '../repeated.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Run it on the service's machine, as its user and with its settings, while no service runs. The whole backup is verified
before anything is touched. It is restored into a new database only: an embedded one that does not exist yet, or an
external one without tables. An interrupted restore leaves the database empty.

What was taken away after the backup is open again in the restored database. --since-export and --revoke-all close it,
in the same transaction as the restore, or later without a file on the database that was restored.
${examples(
  'keyhold restore /backup/keyhold.backup',
  'keyhold restore /backup/keyhold.backup --check',
  'keyhold restore /backup/keyhold.backup --since-export /backup/audit.jsonl --apply-revocations',
  'keyhold restore --since-export /backup/audit.jsonl',
  'keyhold restore /backup/keyhold.backup --revoke-all',
  'keyhold restore --release',
)}`;

interface Flags {
  readonly identity?: readonly string[];
  readonly without?: readonly string[];
  readonly check: boolean;
  readonly sinceExport?: string | null;
  readonly applyRevocations: boolean;
  readonly revokeAll: boolean;
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
    .option('--since-export <file>', 'list what was taken away later, by a later export of the audit log')
    .option('--apply-revocations', 'take away again what --since-export lists', false)
    .option('--revoke-all', 'end every login, token and share', false)
    .option('--release', 'let what is due because of its age happen again after a restore', false)
    .addHelpText('after', help)
    .action(async (file: string | undefined, { identity = [], without = [], sinceExport = null, ...flags }: Flags) => {
      const { restore } = await import('../server-side/restore.ts');
      await restore(context, file, { ...flags, identity, without, sinceExport });
    });
  excess.set(
    command,
    'This command restores a backup of the database. To set a secret to an earlier version: keyhold history <name> --restore <version>',
  );
};
