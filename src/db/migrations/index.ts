import type { Migration } from 'kysely/migration';
import type { SealedTableName } from '../tables/index.ts';
import * as foundation from './0001-foundation.ts';
import * as closedIdentities from './0002-closed-identities.ts';
import * as restored from './0005-restored.ts';

/** The seal formats that a migration introduces: for each table to which it adds sealed columns, their `since`. */
export type SealFormats = Readonly<Partial<Record<SealedTableName, number>>>;

export interface KeyholdMigration extends Migration {
  /** Taking the migration back first seals the rows of these tables in the format before. */
  readonly formats?: SealFormats;
}

/** Every migration in its order: numbered, listed, frozen once landed. */
export const migrations: Readonly<Record<string, KeyholdMigration>> = {
  '0001-foundation': foundation,
  '0002-closed-identities': closedIdentities,
  '0005-restored': restored,
};
