import { KeyholdError } from '../core/errors.ts';
import { areFirstMigrations } from '../db/migrate.ts';
import type { BackupHeader } from './format.ts';

/** Throws `state_conflict` for a backup whose schema this version cannot make, and whose seals it may not know. */
export const refuseOtherVersions = ({ migrations, keyhold }: BackupHeader): void => {
  if (areFirstMigrations(migrations)) return;
  throw new KeyholdError(
    'state_conflict',
    `The backup was made by Keyhold ${keyhold} and has a schema that this version does not know (${migrations.at(-1) ?? 'none'}). Restore it with that version. Nothing was changed.`,
  );
};
